"""Heatmap and box as TensorFlow operations, for exported models.

The component with the most pixels gives the box; the protocols compare areas
that contours enclose, so a box may differ where two components are nearly of
one size.
"""

import tensorflow as tf


def to_heatmaps(class_maps, size):
    """Enlarges class activation maps (bilinear) and stretches them to [0, 1].

    Args:
        class_maps: float32 tensor `(batch, h, w)`.
        size: Side of the heatmaps in pixels.

    Returns:
        float32 tensor `(batch, size, size)`; zeros where a map is constant.
    """
    heatmaps = tf.image.resize(class_maps[..., None], (size, size))[..., 0]
    low = tf.reduce_min(heatmaps, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(heatmaps, axis=(1, 2), keepdims=True)
    return tf.math.divide_no_nan(heatmaps - low, high - low)


def largest_boxes(kept):
    """Box of the largest component (8-connected) of each mask.

    Args:
        kept: Bool tensor `(batch, height, width)`.

    Returns:
        int32 tensor `(batch, 4)` of x0, y0, x1, y1 in pixels, the right and
        lower end exclusive; zeros where a mask is empty.
    """
    shape = tf.shape(kept)
    batch, height, width = shape[0], shape[1], shape[2]
    labels = _component_labels(kept)
    # Label 0 is the background; a component is named by its last pixel.
    count = batch * height * width + 1
    flat = tf.reshape(labels, (-1,))
    areas = tf.math.unsorted_segment_sum(
        tf.cast(flat > 0, tf.int32), flat, count
    )
    areas = tf.where(labels > 0, tf.gather(areas, labels), 0)
    largest = tf.argmax(tf.reshape(areas, (batch, -1)), axis=1)
    chosen = tf.gather(
        tf.reshape(labels, (batch, -1)), largest, axis=1, batch_dims=1
    )
    inside = (labels == chosen[:, None, None]) & kept
    x0, x1 = _extent(tf.reduce_any(inside, axis=1))
    y0, y1 = _extent(tf.reduce_any(inside, axis=2))
    return tf.stack([x0, y0, x1, y1], axis=1)


def _component_labels(kept):
    """Numbers the components of masks: 0 outside, one number inside each.

    Every pixel starts as a component of its own, named by its number. In each
    round a component joins the highest of its neighbours, and names of names
    are followed, so that even a long spiral takes few rounds.
    """
    count = tf.size(kept) + 1
    numbers = tf.range(count)
    start = tf.where(kept, tf.reshape(numbers[1:], tf.shape(kept)), 0)

    def join(labels, _):
        highest = tf.where(kept, _highest_neighbour(labels), 0)
        names = tf.math.unsorted_segment_max(
            tf.reshape(highest, (-1,)), tf.reshape(labels, (-1,)), count
        )
        names = tf.where(numbers > 0, tf.maximum(names, numbers), 0)
        for _ in range(3):
            names = tf.gather(names, names)
        joined = tf.gather(names, labels)
        return joined, tf.reduce_any(joined != labels)

    labels, _ = tf.while_loop(
        lambda _, changed: changed, join, (start, tf.constant(True))
    )
    return labels


def _highest_neighbour(labels):
    """Maximum over each pixel and the eight around it."""
    padded = tf.pad(labels, [[0, 0], [1, 1], [1, 1]])
    rows = tf.maximum(
        tf.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:]
    )
    return tf.maximum(
        tf.maximum(rows[:, :, :-2], rows[:, :, 1:-1]), rows[:, :, 2:]
    )


def _extent(occupied):
    """First and one past the last true element of each row."""
    length = tf.shape(occupied)[1]
    numbers = tf.range(length)
    first = tf.reduce_min(tf.where(occupied, numbers, length), axis=1)
    last = tf.reduce_max(tf.where(occupied, numbers + 1, 0), axis=1)
    return tf.minimum(first, last), last
