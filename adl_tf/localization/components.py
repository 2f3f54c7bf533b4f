"""Boxes of a heatmap's components at all 255 cut-offs in one pass.

Asking OpenCV for the contours above each cut-off looks at every pixel 255
times. Here pixels join in the order of their levels: each looks at its eight
neighbours once, and components that meet are merged. What OpenCV measures on
a contour is kept up to date with every pixel:

- The polygon through the centres of a component's outer pixels encloses the
  squares between four pixels of it, half of those between three, and its
  holes.
- The same count of squares gives the number of holes (Gray, 1971).

So the box of the largest contour is known unless components are equally
large, or one with holes may be larger than the largest without. These few
cut-offs are reported as open, for OpenCV to decide.

Compiled by Numba; threads run side by side. Compiled code is kept until this
file changes, and another one on which it depends is not looked at: what stands
elsewhere is an argument.
"""

import numba
import numpy as np

from adl_tf.localization.neighbourhoods import (
    GROWTH,
    SHARING,
    TOUCHING,
    distances,
)


def _compiled(function):
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # There is no folder that a cache can be kept in.
        return numba.njit(nogil=True)(function)


# Pixels are known by their place in an image with a frame around it, whose
# rows are a power of two long: row and column are bits of the place. Places
# and labels are unsigned, for Numba asks every signed index whether it is
# negative, which doubles the time.


@_compiled
def _earlier_neighbours(levels, shift):
    """Which neighbours each pixel finds if the highest come first.

    Of one level, the first in the order of reading comes first.

    Returns:
        uint8 array of the bits of each pixel's neighbourhood, by place. Those
        of pixels that come in the opposite order are all others, the frame
        included.
    """
    height, width = levels.shape
    framed = np.zeros((height + 2, 1 << shift), np.uint8)
    for y in range(height):
        for x in range(width):
            framed[y + 1, x + 1] = levels[y, x]
    bits = np.empty(framed.shape, np.uint8)
    for y in range(height):
        above, row, below = framed[y], framed[y + 1], framed[y + 2]
        out = bits[y + 1]
        for x in range(width):  # Eight comparisons for many pixels at once.
            level = row[x + 1]
            out[x + 1] = (
                np.uint8(above[x + 1] >= level)
                | np.uint8(above[x + 2] >= level) << 1
                | np.uint8(row[x + 2] > level) << 2
                | np.uint8(below[x + 2] > level) << 3
                | np.uint8(below[x + 1] > level) << 4
                | np.uint8(below[x] > level) << 5
                | np.uint8(row[x] >= level) << 6
                | np.uint8(above[x] >= level) << 7
            )
    # The frame is never there, though its level is 0 as that of pixels may be.
    for x in range(1, width + 1):
        bits[1, x] &= np.uint8(0b01111100)
    for y in range(1, height + 1):
        bits[y, 1] &= np.uint8(0b00011111)
        bits[y, width] &= np.uint8(0b11110001)
    return bits.ravel()


@_compiled
def _by_level(levels, shift):
    """Places sorted by level, then in the order of reading.

    Returns:
        Tuple of the uint32 array of places and the int array `(257,)` of
        where each level begins.
    """
    height, width = levels.shape
    begin = np.zeros(257, np.int64)
    for y in range(height):
        for x in range(width):
            begin[np.int64(levels[y, x]) + 1] += 1
    for level in range(256):
        begin[level + 1] += begin[level]
    places = np.empty(height * width, np.uint32)
    end = begin[:-1].copy()
    for y in range(height):
        for x in range(width):
            level = levels[y, x]
            places[end[level]] = (y + 1 << shift) + x + 1
            end[level] += 1
    return places, begin


@_compiled
def _forest(labels, limit):
    """Labels by place; and of each label its parent, counts and box.

    A component is known by its root, a label that is its own parent. It
    counts twice its area and four times its Euler number. Boxes are columns
    and rows of the frame, their ends included.
    """
    return (
        labels,
        np.empty(limit, np.uint32),
        np.empty((limit, 2), np.int32),
        np.empty((limit, 4), np.uint32),
    )


@_compiled
def _root(parents, label):
    while parents[label] != label:
        parents[label] = parents[parents[label]]
        label = parents[label]
    return label


@_compiled
def _grow(places, bits, tables, shift, forest, count):
    """Adds pixels to the components around them, one after the other.

    Components that meet become the one with the lowest label, so that the
    outside, label 0 where there is one, stays what it is.

    Args:
        places: uint32 array: the pixels.
        bits: uint8 array of neighbourhoods, by place.
        tables: For each neighbourhood a bit for one neighbour in each group
            that the pixel joins; `distances`; `GROWTH`.
        shift: Binary logarithm of the places in a row.
        forest: As returned by `_forest`; changed in place.
        count: Number of labels.

    Returns:
        The number of labels; those from `count` on are new.
    """
    touching, neighbours, growth = tables
    labels, parents, counts, boxes = forest
    column = np.uint32((1 << shift) - 1)
    for place in places:
        around = bits[place]
        groups = touching[around]
        x, y = place & column, place >> shift
        if groups == 0:
            root = count
            parents[root] = root
            counts[root, 0] = counts[root, 1] = 0
            boxes[root, 0] = boxes[root, 2] = x
            boxes[root, 1] = boxes[root, 3] = y
            count = np.uint32(count + 1)
        else:
            root = _root(parents, labels[np.uint32(place + neighbours[groups])])
            groups &= groups - 1
            while groups:
                other = _root(
                    parents, labels[np.uint32(place + neighbours[groups])]
                )
                groups &= groups - 1
                if other != root:
                    root, other = min(root, other), max(root, other)
                    parents[other] = root
                    counts[root, 0] += counts[other, 0]
                    counts[root, 1] += counts[other, 1]
                    _widen(boxes, root, boxes[other])
            _widen(boxes, root, (x, y, x, y))
        labels[place] = root
        counts[root, 0] += growth[around, 0]
        counts[root, 1] += growth[around, 1]
    return count


@_compiled
def _widen(boxes, label, box):
    # Asking first is faster than minima: it is rare that anything changes.
    if box[0] < boxes[label, 0]:
        boxes[label, 0] = box[0]
    if box[1] < boxes[label, 1]:
        boxes[label, 1] = box[1]
    if box[2] > boxes[label, 2]:
        boxes[label, 2] = box[2]
    if box[3] > boxes[label, 3]:
        boxes[label, 3] = box[3]


@_compiled
def _keep_roots(live, number, before, count, parents):
    """Adds labels that are new, removes those that have been merged.

    Returns:
        The number of labels that are left in `live`.
    """
    for label in range(before, count):
        live[number] = label
        number += 1
    kept = 0
    for label in live[:number]:
        if parents[label] == label:
            live[kept] = label
            kept += 1
    return kept


@_compiled
def _decide(live, counts, boxes, by_rectangle):
    """The component with the largest contour, and if that is open."""
    best, most = live[0], -1
    for label in live:
        least = counts[label, 0]
        if by_rectangle:
            least = _rectangle_area(boxes[label], 1)
        if least > most:
            best, most = label, least
    # The contour of a hole is as large as the one around it if there is
    # nothing in between.
    is_open = not by_rectangle and most == 0 and counts[best, 1] != 4
    for label in live:
        limit = counts[label, 0]
        if by_rectangle:
            limit = _rectangle_area(boxes[label], 1)
        elif counts[label, 1] != 4:  # It has holes.
            limit = 2 * _rectangle_area(boxes[label], 0)
        is_open |= limit >= most and label != best
    return best, is_open


@_compiled
def _rectangle_area(box, more):
    return np.int64(box[2] - box[0] + more) * np.int64(box[3] - box[1] + more)


@_compiled
def _around_components(
    shape, shift, bits, places, begin, tables, wanted, lowest, by_rectangle
):
    """As `contour_boxes`, but for holes: a bool for each cut-off with any."""
    # Components do not touch: they are a quarter as many as pixels, or less.
    limit = ((shape[0] + 1) // 2) * ((shape[1] + 1) // 2)
    forest = _forest(np.empty(bits.size, np.uint32), limit)
    _, parents, counts, extents = forest
    live = np.empty(limit, np.uint32)
    number, count = 0, np.uint32(0)
    largest = np.zeros((256, 4), np.int32)
    is_open = np.zeros(256, np.bool_)
    holes = np.zeros(256, np.bool_)
    boxes = np.empty((256, 4), np.int32)
    cutoffs = np.empty(256, np.int32)
    total = 0
    for level in range(255, lowest, -1):
        cutoff = level - 1
        pixels = places[begin[level] : begin[level + 1]]
        if not len(pixels):
            for side in range(4):
                largest[cutoff, side] = largest[level, side]
            is_open[cutoff] = is_open[level]
            holes[cutoff] = holes[level]
        else:
            before = count
            count = _grow(pixels, bits, tables, shift, forest, count)
            number = _keep_roots(live, number, before, count, parents)
            best, is_open[cutoff] = _decide(
                live[:number], counts, extents, by_rectangle
            )
            _write_box(largest[cutoff], extents[best], 0)
            for label in live[:number]:
                holes[cutoff] |= counts[label, 1] != 4
        if wanted[cutoff]:
            boxes, cutoffs, total = _add_boxes(
                boxes, cutoffs, total, live[:number], extents, cutoff, 0
            )
    return largest, is_open, holes, boxes[:total], cutoffs[:total]


@_compiled
def _around_holes(shape, shift, bits, places, begin, tables, wanted):
    """Boxes of the contours around all holes, above each cut-off wanted.

    A hole is a component of the pixels that are not above the cut-off, those
    that share an edge counting as connected, that does not reach the edge of
    the image. So the lowest come first: places, where levels begin and
    neighbourhoods are those of `_around_components`, turned round.
    """
    # Holes share no edges: half as many as pixels, or less.
    limit = shape[0] * shape[1] // 2 + 2
    # The frame is outside, label 0, and so is what shares an edge with it.
    forest = _forest(np.zeros(bits.size, np.uint32), limit)
    _, parents, _, extents = forest
    parents[0] = 0
    live = np.empty(limit, np.uint32)
    number, count = 0, np.uint32(1)
    boxes = np.empty((256, 4), np.int32)
    cutoffs = np.empty(256, np.int32)
    total = 0
    for cutoff in range(np.flatnonzero(wanted)[-1] + 1):
        before = count
        pixels = places[begin[cutoff + 1] : begin[cutoff]]
        count = _grow(pixels, bits, tables, shift, forest, count)
        number = _keep_roots(live, number, before, count, parents)
        if wanted[cutoff]:
            # The contour runs through the pixels around the hole.
            boxes, cutoffs, total = _add_boxes(
                boxes, cutoffs, total, live[:number], extents, cutoff, 1
            )
    return boxes[:total], cutoffs[:total]


@_compiled
def _write_box(box, extent, more):
    """In pixels of the image, the right and lower end exclusive."""
    box[0] = extent[0] - 1 - more
    box[1] = extent[1] - 1 - more
    box[2] = extent[2] + more
    box[3] = extent[3] + more


@_compiled
def _add_boxes(boxes, cutoffs, total, live, extents, cutoff, more):
    """Appends the boxes of components, with room for more than there are."""
    while total + len(live) > len(boxes):
        boxes = np.concatenate((boxes, np.empty_like(boxes)))
        cutoffs = np.concatenate((cutoffs, np.empty_like(cutoffs)))
    for label in live:
        _write_box(boxes[total], extents[label], more)
        cutoffs[total] = cutoff
        total += 1
    return boxes, cutoffs, total


def contour_boxes(levels, wanted, lowest=0, by_rectangle=False):
    """Box of the largest contour, and of all contours, above each cut-off.

    Args:
        levels: uint8 array `(height, width)`.
        wanted: Bool array `(256,)`: the cut-offs at which the boxes of all
            contours, around components and around their holes, are wanted.
        lowest: The lowest cut-off that is of interest.
        by_rectangle: Whether the largest contour is that with the largest
            rectangle around it rather than that which encloses most.

    Returns:
        Tuple of

        - the int32 array `(256, 4)` of x0, y0, x1, y1 of the largest contour
          of the pixels above c in row c, ends exclusive, zeros where there
          are no pixels, and below the lowest cut-off;
        - the bool array `(256,)` of its rows that are open;
        - the int32 array `(n, 4)` of all boxes, in no particular order, and
          the int32 array `(n,)` of the cut-offs that they belong to.
    """
    shift = np.uint32(levels.shape[1].bit_length())
    neighbours = distances(1 << int(shift))
    bits = _earlier_neighbours(levels, shift)
    places, begin = _by_level(levels, shift)
    largest, is_open, holes, boxes, cutoffs = _around_components(
        levels.shape,
        shift,
        bits,
        places,
        begin,
        (TOUCHING, neighbours, GROWTH),
        wanted,
        lowest,
        by_rectangle,
    )
    holes &= wanted
    if holes.any():
        more_boxes, more_cutoffs = _around_holes(
            levels.shape,
            shift,
            ~bits,
            places[::-1].copy(),
            len(places) - begin,
            (SHARING, neighbours, GROWTH),
            holes,
        )
        boxes = np.concatenate((boxes, more_boxes))
        cutoffs = np.concatenate((cutoffs, more_cutoffs))
    return largest, is_open, boxes, cutoffs
