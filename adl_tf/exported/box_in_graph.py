"""Heatmap and box as TensorFlow operations, for exported models.

The arithmetic is that of `protocols.py`, and so are the boxes.
"""

import numpy as np
import tensorflow as tf

from adl_tf.exported.run_length_components import largest_boxes
from adl_tf.localization.protocols import CUBEHELIX_GREY


def to_heatmaps(class_maps, size):
    """Enlarges class activation maps (bilinear) and stretches them to [0, 1].

    Args:
        class_maps: float32 tensor `(batch, h, w)`.
        size: Side of the heatmaps in pixels.

    Returns:
        float32 tensor `(batch, size, size)`; zeros where a map is constant or
        holds a NaN or an infinity.
    """
    # Checked before they are enlarged, as `to_heatmap` does.
    varied = tf.reduce_max(class_maps, (1, 2)) > tf.reduce_min(
        class_maps, (1, 2)
    )
    finite = tf.reduce_all(tf.abs(class_maps) < np.inf, (1, 2))
    class_maps = tf.where((varied & finite)[:, None, None], class_maps, 0.0)
    heatmaps = tf.image.resize(class_maps[..., None], (size, size))[..., 0]
    low = tf.reduce_min(heatmaps, axis=(1, 2), keepdims=True)
    high = tf.reduce_max(heatmaps, axis=(1, 2), keepdims=True)
    return (heatmaps - low) / tf.where(high > low, high - low, 1.0)


def boxes_above(heatmaps, thresholds, levels="linear", by_rectangle=False):
    """Box of the largest contour of each heatmap at its threshold.

    Args:
        heatmaps: float32 tensor `(batch, height, width)` in [0, 1].
        thresholds: float32 tensor `(batch,)` in [0, 1]. Where a heatmap
            reaches 1, single precision moves none of three decimals.
        levels: `"linear"` or `"cubehelix"`: the integers that are compared
            with the threshold, as in `Protocol`.
        by_rectangle: Whether contours are compared by their bounding
            rectangles rather than by the area that they enclose.

    Returns:
        int32 tensor `(batch, 4)` of x0, y0, x1, y1 in pixels, the right and
        lower end exclusive; zeros where nothing is kept.

    Reference:

    - `Protocol.to_levels` and `boxes_at_cutoffs`
    """
    if levels == "cubehelix":
        scale, values = 256.0, CUBEHELIX_GREY.astype(np.int32)
    else:
        scale, values = 255.0, np.arange(256, dtype=np.int32)
    highest = tf.minimum(tf.reduce_max(heatmaps, axis=(1, 2)) * scale, 255.0)
    highest = tf.cast(highest, tf.int32)
    cutoffs = tf.cast(
        thresholds * tf.cast(tf.gather(values, highest), tf.float32), tf.int32
    )
    # Levels do not decrease, so those above a cut-off are those from some
    # index of the table on.
    first = tf.reduce_sum(
        tf.cast(values <= cutoffs[:, None], tf.float32), axis=1
    )
    first = tf.where(first < len(values), first, np.inf)
    kept = heatmaps * scale >= first[:, None, None]
    return largest_boxes(kept, by_rectangle)
