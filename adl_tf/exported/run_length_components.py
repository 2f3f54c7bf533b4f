"""Box of the largest component of a mask, as TensorFlow operations.

A row of a mask is a few runs of pixels. Components are joined run by run
rather than pixel by pixel, so that nearly all the work is on some hundred
numbers an image, and what is measured on a contour follows from the runs:

- Between two rows, the polygon through the centres of a component's outer
  pixels encloses the columns that two runs share, less one, and half a pixel
  at each end where they differ.
- Runs and their contacts are a graph with a cycle for each hole. Holes are
  rare in heatmaps, and they are looked for only where there are cycles.

The box is the one that OpenCV's contours give, and of equally large contours
that of the one whose first pixel comes last, row by row, as in OpenCV.
"""

import typing

import tensorflow as tf


class Runs(typing.NamedTuple):
    """Runs of pixels in the rows of masks, in reading order.

    Attributes:
        image: int32 `(runs,)`: which mask a run is in.
        row: int32 `(runs,)`.
        begin: int32 `(runs,)`: its first column.
        last: int32 `(runs,)`: its last column.
        upper: int32 `(contacts,)`: numbers of the runs that touch a run of
            the next row.
        lower: int32 `(contacts,)`: which run of the next row that is.
    """

    image: tf.Tensor
    row: tf.Tensor
    begin: tf.Tensor
    last: tf.Tensor
    upper: tf.Tensor
    lower: tf.Tensor


def largest_boxes(kept, by_rectangle=False):
    """Box of the largest component (8-connected) of each mask.

    Args:
        kept: Bool tensor `(batch, height, width)`.
        by_rectangle: Whether the largest component is that with the largest
            rectangle around it rather than that whose outer contour encloses
            most.

    Returns:
        int32 tensor `(batch, 4)` of x0, y0, x1, y1 in pixels, the right and
        lower end exclusive; zeros where a mask is empty.
    """
    batch = tf.shape(kept)[0]
    runs = _runs(kept, corners_touch=True)
    names = _component_names(runs)
    boxes = _boxes(runs, names, batch, by_rectangle)
    if by_rectangle:
        return boxes

    def count(images):
        return tf.math.unsorted_segment_sum(tf.ones_like(images), images, batch)

    firsts = tf.boolean_mask(runs.image, names == tf.range(tf.size(names)))
    contacts = count(tf.gather(runs.image, runs.upper))
    has_cycle = contacts + count(firsts) > count(runs.image)

    def without_holes():
        masks = tf.boolean_mask(kept, has_cycle)
        filled = _runs(_with_holes_filled(masks), corners_touch=True)
        found = _boxes(
            filled, _component_names(filled), tf.shape(masks)[0], False
        )
        places = tf.cumsum(tf.cast(has_cycle, tf.int32), exclusive=True)
        found = tf.gather(found, tf.where(has_cycle, places, 0))
        return tf.where(has_cycle[:, None], found, boxes)

    return tf.cond(tf.reduce_any(has_cycle), without_holes, lambda: boxes)


def _runs(kept, corners_touch):
    """Runs of masks `(batch, height, width)`.

    What is done for every pixel is done here, and is little: a mask changes
    where a run begins and, by turns, where it has ended.
    """
    framed = tf.pad(kept, [[0, 0], [0, 0], [1, 1]])
    changes = tf.where(framed[:, :, 1:] != framed[:, :, :-1])
    changes = tf.reshape(tf.cast(changes, tf.int32), (-1, 2, 3))
    image, row, begin = tf.unstack(changes[:, 0], axis=1)
    last = changes[:, 1, 2] - 1

    # A row without runs between two masks keeps them apart.
    rows_each = tf.shape(kept)[1] + 1
    rows = image * rows_each + row
    counts = tf.math.unsorted_segment_sum(
        tf.ones_like(rows), rows, tf.shape(kept)[0] * rows_each
    )
    firsts = tf.cumsum(counts, exclusive=True)
    # Each run is compared with all of the next row.
    places = tf.range(tf.reduce_max(tf.concat([counts, [0]], axis=0)))
    exists = places < tf.gather(counts, rows + 1)[:, None]
    candidates = tf.gather(firsts, rows + 1)[:, None] + places
    candidates = tf.where(exists, candidates, 0)
    reach = int(corners_touch)
    touches = (
        exists
        & (tf.gather(begin, candidates) <= last[:, None] + reach)
        & (tf.gather(last, candidates) >= begin[:, None] - reach)
    )
    contacts = tf.where(touches)
    return Runs(
        image,
        row,
        begin,
        last,
        tf.cast(contacts[:, 0], tf.int32),
        tf.gather_nd(candidates, contacts),
    )


def _component_names(runs):
    """Number of the first run of the component that each run belongs to.

    In each round a component joins the first of those it touches, and names of
    names are followed, so that even a long spiral takes few rounds.
    """
    count = tf.size(runs.row)

    def join(names, _):
        upper = tf.gather(names, runs.upper)
        lower = tf.gather(names, runs.lower)
        first = tf.math.unsorted_segment_min(
            tf.minimum(upper, lower), tf.maximum(upper, lower), count
        )
        joined = tf.minimum(names, first)
        for _ in range(3):
            joined = tf.gather(joined, joined)
        return joined, tf.reduce_any(joined != names)

    names, _ = tf.while_loop(
        lambda _, changed: changed, join, (tf.range(count), tf.constant(True))
    )
    return names


def _with_holes_filled(kept):
    """Masks with what is not kept, and does not reach their edge, kept."""
    framed = tf.pad(~kept, [[0, 0], [1, 1], [1, 1]], constant_values=True)
    runs = _runs(framed, corners_touch=False)
    # The first row of the frame is the first run of what is outside.
    is_hole = tf.gather(runs.row, _component_names(runs)) > 0
    begins = framed & ~tf.pad(framed, [[0, 0], [0, 0], [1, 0]])[:, :, :-1]
    number = tf.cumsum(tf.cast(tf.reshape(begins, (-1,)), tf.int32)) - 1
    number = tf.reshape(number, tf.shape(framed))
    holes = tf.gather(is_hole, number) & framed
    return kept | holes[:, 1:-1, 1:-1]


def _boxes(runs, names, batch, by_rectangle):
    count = tf.size(names)
    x0 = tf.math.unsorted_segment_min(runs.begin, names, count)
    y0 = tf.math.unsorted_segment_min(runs.row, names, count)
    x1 = tf.math.unsorted_segment_max(runs.last, names, count) + 1
    y1 = tf.math.unsorted_segment_max(runs.row, names, count) + 1
    if by_rectangle:
        sizes = (x1 - x0) * (y1 - y0)
    else:
        sizes = tf.math.unsorted_segment_sum(
            _twice_the_area(runs), tf.gather(names, runs.upper), count
        )
    sizes = tf.gather(sizes, names)
    largest = tf.math.unsorted_segment_max(sizes, runs.image, batch)
    is_largest = sizes == tf.gather(largest, runs.image)
    chosen = tf.math.unsorted_segment_max(
        tf.where(is_largest, names, -1), runs.image, batch
    )
    # Masks without a run get the zeros that stand after the last box.
    boxes = tf.concat(
        [tf.stack([x0, y0, x1, y1], axis=1), tf.zeros((1, 4), tf.int32)], axis=0
    )
    return tf.gather(boxes, tf.where(chosen < 0, count, chosen))


def _twice_the_area(runs):
    """Twice what a contour encloses between the two runs of each contact."""
    upper_begin = tf.gather(runs.begin, runs.upper)
    lower_begin = tf.gather(runs.begin, runs.lower)
    upper_last = tf.gather(runs.last, runs.upper)
    lower_last = tf.gather(runs.last, runs.lower)
    shared = tf.minimum(upper_last, lower_last) - tf.maximum(
        upper_begin, lower_begin
    )
    ends = tf.cast(upper_begin != lower_begin, tf.int32) + tf.cast(
        upper_last != lower_last, tf.int32
    )
    # Runs that meet at a corner share no column.
    return tf.where(shared < 0, 0, 2 * shared + ends)
