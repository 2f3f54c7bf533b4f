"""Boxes of a heatmap's components at all 255 cut-offs in one pass.

Asking OpenCV for the contours above each cut-off looks at every pixel 255
times. Here pixels join in the order of their levels: each looks at its eight
neighbours once, and components that meet are merged. What OpenCV measures on
a contour is kept up to date with every pixel:

- The polygon through the centres of a component's outer pixels encloses the
  squares between four pixels of it, half of those between three, and its
  holes.
- The same count of squares tells how many holes there are (Gray, 1971).

So the box of the largest contour is known unless components are equally
large, or one with holes may be larger than the largest without. These few
cut-offs are reported as open, for OpenCV to decide.

Compiled by Numba; threads run side by side.
"""

import numba
import numpy as np

# Eight neighbours, clockwise from above: the bits of a neighbourhood. Odd
# ones are the corners.
_STEPS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))


def _neighbourhoods():
    """What joining pixels change, for each of the 256 neighbourhoods.

    Returns:
        Tuple of four uint8 or int8 arrays `(256,)`: twice the growth of the
        area between pixel centres; four times the change of the Euler number
        (components less holes); and one bit for each group of neighbours that
        touch each other: with corners counting (`touching`), and without
        (`sharing`).
    """
    area = np.zeros(256, np.int8)
    euler = np.zeros(256, np.int8)
    touching = np.zeros(256, np.uint8)
    sharing = np.zeros(256, np.uint8)
    for bits in range(256):
        present = [bool(bits >> n & 1) for n in range(8)]
        for n in range(0, 8, 2):
            # A square of this pixel, two edges and the corner between them.
            edge, corner, other = (present[(n + i) % 8] for i in range(3))
            count = edge + corner + other
            area[bits] += count >= 2
            before = -2 if count == 2 and not corner else (0, 1, 0, -1)[count]
            after = -2 if count == 1 and corner else (1, 0, -1, 0)[count]
            euler[bits] += after - before
        around = list(present)
        for n in range(0, 8, 2):
            # Two edges touch each other across the corner between them.
            around[n + 1] |= around[n] and around[(n + 2) % 8]
        touching[bits] = _groups(around)
        edges = [n % 2 == 0 for n in range(8)]
        sharing[bits] = _groups(present, edges)
    return area, euler, touching, sharing


def _groups(around, wanted=(True,) * 8):
    """A bit for the first wanted place of each run on the ring of eight."""
    if all(around):
        return 1
    bits = 0
    start = around.index(False)
    taken = False
    for n in range(start, start + 8):
        n %= 8
        taken = taken and around[n]
        if around[n] and wanted[n] and not taken:
            bits |= 1 << n
            taken = True
    return bits


_AREA, _EULER, _TOUCHING, _SHARING = _neighbourhoods()
# Place of the lowest bit.
_LOWEST = np.array([0] + [(n & -n).bit_length() - 1 for n in range(1, 256)])


def _compiled(function):
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # There is no folder that a cache can be kept in.
        return numba.njit(nogil=True)(function)


@_compiled
def _by_level(levels):
    """Pixels sorted by level, as `row << 32 | column`, and where each begins.

    Numbers packed like this are unpacked without a division.
    """
    height, width = levels.shape
    begin = np.zeros(257, np.int64)
    for y in range(height):
        for x in range(width):
            begin[levels[y, x] + 1] += 1
    for level in range(256):
        begin[level + 1] += begin[level]
    pixels = np.empty(height * width, np.int64)
    end = begin[:-1].copy()
    for y in range(height):
        for x in range(width):
            level = levels[y, x]
            pixels[end[level]] = y << 32 | x
            end[level] += 1
    return pixels, begin


@_compiled
def _steps(width):
    """How far the eight neighbours are in a framed picture of that width."""
    steps = np.empty(8, np.int64)
    for n in range(8):
        steps[n] = _STEPS[n][0] * (width + 2) + _STEPS[n][1]
    return steps


@_compiled
def _neighbourhood(present, place, row):
    """The bits of the eight neighbours; written out, as it is the hot spot."""
    return (
        present[place - row]
        | present[place - row + 1] << 1
        | present[place + 1] << 2
        | present[place + row + 1] << 3
        | present[place + row] << 4
        | present[place + row - 1] << 5
        | present[place - 1] << 6
        | present[place - row - 1] << 7
    )


@_compiled
def _root(parents, label):
    while parents[label] != label:
        parents[label] = parents[parents[label]]
        label = parents[label]
    return label


@_compiled
def _join(x, y, place, groups, steps, labels, parents, components, count):
    """Adds a pixel to the components around it.

    Components that meet become the one with the lowest label, so that the
    outside, label 0 where there is one, stays what it is.

    Returns:
        The label of the pixel's component: `count` if it is a new one.
        `labels`, `parents` and `components` are changed in place.
    """
    if groups == 0:
        labels[place] = count
        parents[count] = count
        components[count] = (x, y, x + 1, y + 1, 0, 0)
        return count
    root = _root(parents, labels[place + steps[_LOWEST[groups]]])
    groups &= groups - 1
    while groups:
        other = _root(parents, labels[place + steps[_LOWEST[groups]]])
        groups &= groups - 1
        if other != root:
            root, other = min(root, other), max(root, other)
            parents[other] = root
            _widen(components, root, components[other])
            components[root, 4] += components[other, 4]
            components[root, 5] += components[other, 5]
    labels[place] = root
    _widen(components, root, (x, y, x + 1, y + 1))
    return root


@_compiled
def _widen(components, root, box):
    components[root, 0] = min(components[root, 0], box[0])
    components[root, 1] = min(components[root, 1], box[1])
    components[root, 2] = max(components[root, 2], box[2])
    components[root, 3] = max(components[root, 3], box[3])


@_compiled
def _keep_roots(live, number, parents):
    """Removes labels that have been merged; returns how many are left."""
    kept = 0
    for index in range(number):
        if parents[live[index]] == live[index]:
            live[kept] = live[index]
            kept += 1
    return kept


@_compiled
def _decide(live, number, components, by_rectangle):
    """Row of the component with the largest contour, and if that is open."""
    best, most = live[0], -1
    for index in range(number):
        label = live[index]
        least = components[label, 4]
        if by_rectangle:
            least = _rectangle_area(components, label, 0)
        if least > most:
            best, most = label, least
    # The contour of a hole is as large as the one around it if there is
    # nothing in between.
    is_open = not by_rectangle and most == 0 and components[best, 5] != 4
    for index in range(number):
        label = live[index]
        limit = components[label, 4]
        if by_rectangle:
            limit = _rectangle_area(components, label, 0)
        elif components[label, 5] != 4:  # It has holes.
            limit = 2 * _rectangle_area(components, label, 1)
        is_open |= limit >= most and label != best
    return best, is_open


@_compiled
def _rectangle_area(components, label, less):
    width = components[label, 2] - components[label, 0] - less
    height = components[label, 3] - components[label, 1] - less
    return width * height


@_compiled
def outer_boxes(levels, wanted, lowest=0, by_rectangle=False):
    """Box of the largest contour, and of all outer ones, above each cut-off.

    Args:
        levels: uint8 array `(height, width)`.
        wanted: Bool array `(256,)`: the cut-offs at which all boxes are
            wanted.
        lowest: The lowest cut-off that is of interest.
        by_rectangle: Whether the largest contour is that with the largest
            rectangle around it rather than that which encloses most.

    Returns:
        Tuple of

        - the int32 array `(256, 4)` of x0, y0, x1, y1 of the largest contour
          of the pixels above c in row c, ends exclusive, zeros where there
          are no pixels, and below the lowest cut-off;
        - the bool array `(256,)` of its rows that are open;
        - the bool array `(256,)` of the cut-offs at which there are holes;
        - the int32 array `(n, 4)` of all boxes, in no particular order, and
          the int32 array `(n,)` of the cut-offs that they belong to.
    """
    height, width = levels.shape
    pixels, begin = _by_level(levels)
    steps = _steps(width)
    present = np.zeros((height + 2) * (width + 2), np.uint8)
    labels = np.empty(present.size, np.int32)
    # Components do not touch: they are a quarter as many as pixels, or less.
    limit = ((height + 1) // 2) * ((width + 1) // 2)
    parents = np.empty(limit, np.int32)
    components = np.empty((limit, 6), np.int32)
    live = np.empty(limit, np.int32)
    number, count = 0, 0
    largest = np.zeros((256, 4), np.int32)
    is_open = np.zeros(256, np.bool_)
    holes = np.zeros(256, np.bool_)
    boxes = np.empty((256, 4), np.int32)
    cutoffs = np.empty(256, np.int32)
    total = 0
    for level in range(255, lowest, -1):
        for index in range(begin[level], begin[level + 1]):
            y, x = pixels[index] >> 32, pixels[index] & 0xFFFFFFFF
            place = (y + 1) * (width + 2) + x + 1
            bits = _neighbourhood(present, place, steps[4])
            present[place] = 1
            groups = _TOUCHING[bits]
            root = _join(
                x, y, place, groups, steps, labels, parents, components, count
            )
            components[root, 4] += _AREA[bits]
            components[root, 5] += _EULER[bits]
            if root == count:
                live[number] = root
                number += 1
                count += 1
        cutoff = level - 1
        if begin[level] == begin[level + 1]:
            largest[cutoff] = largest[level]
            is_open[cutoff] = is_open[level]
            holes[cutoff] = holes[level]
        else:
            number = _keep_roots(live, number, parents)
            best, is_open[cutoff] = _decide(
                live, number, components, by_rectangle
            )
            largest[cutoff] = components[best, :4]
            for index in range(number):
                holes[cutoff] |= components[live[index], 5] != 4
        if wanted[cutoff]:
            boxes, cutoffs = _with_room(boxes, cutoffs, total + number)
            for index in range(number):
                boxes[total] = components[live[index], :4]
                cutoffs[total] = cutoff
                total += 1
    return largest, is_open, holes, boxes[:total], cutoffs[:total]


@_compiled
def hole_boxes(levels, wanted):
    """Boxes of the contours around all holes, above each cut-off wanted.

    A hole is a component of the pixels that are not above the cut-off, those
    that share an edge counting as connected, that does not reach the edge of
    the picture.

    Args:
        levels: uint8 array `(height, width)`.
        wanted: Bool array `(256,)` of cut-offs.

    Returns:
        Tuple of the int32 array `(n, 4)` of x0, y0, x1, y1 with exclusive
        ends, in no particular order, and the int32 array `(n,)` of the
        cut-offs that they belong to.
    """
    height, width = levels.shape
    boxes = np.empty((256, 4), np.int32)
    cutoffs = np.empty(256, np.int32)
    total = 0
    last = 255
    while last >= 0 and not wanted[last]:
        last -= 1
    if last < 0:
        return boxes[:0], cutoffs[:0]
    pixels, begin = _by_level(levels)
    steps = _steps(width)
    # The frame is outside, label 0, and so is what shares an edge with it.
    framed = np.zeros((height + 2, width + 2), np.uint8)
    framed[0], framed[-1], framed[:, 0], framed[:, -1] = 1, 1, 1, 1
    present = framed.ravel()
    labels = np.zeros(present.size, np.int32)
    # Holes share no edges: half as many as pixels, or less.
    limit = height * width // 2 + 2
    parents = np.zeros(limit, np.int32)
    components = np.zeros((limit, 6), np.int32)
    live = np.empty(limit, np.int32)
    number, count = 0, 1
    for cutoff in range(last + 1):
        for index in range(begin[cutoff], begin[cutoff + 1]):
            y, x = pixels[index] >> 32, pixels[index] & 0xFFFFFFFF
            place = (y + 1) * (width + 2) + x + 1
            bits = _neighbourhood(present, place, steps[4])
            present[place] = 1
            groups = _SHARING[bits]
            root = _join(
                x, y, place, groups, steps, labels, parents, components, count
            )
            if root == count:
                live[number] = root
                number += 1
                count += 1
        number = _keep_roots(live, number, parents)
        if wanted[cutoff]:
            boxes, cutoffs = _with_room(boxes, cutoffs, total + number)
            for index in range(number):
                label = live[index]
                # The contour runs through the pixels around the hole.
                boxes[total, 0] = components[label, 0] - 1
                boxes[total, 1] = components[label, 1] - 1
                boxes[total, 2] = components[label, 2] + 1
                boxes[total, 3] = components[label, 3] + 1
                cutoffs[total] = cutoff
                total += 1
    return boxes[:total], cutoffs[:total]


@_compiled
def _with_room(boxes, cutoffs, needed):
    while needed > len(boxes):
        boxes = np.concatenate((boxes, np.empty_like(boxes)))
        cutoffs = np.concatenate((cutoffs, np.empty_like(cutoffs)))
    return boxes, cutoffs
