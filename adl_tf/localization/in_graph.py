"""Heatmap and box as TensorFlow operations, for exported models.

The same arithmetic as `protocols.py`, which answers the same boxes.
"""

import cv2
import numpy as np
import tensorflow as tf

from adl_tf.localization.heatmaps import INTERPOLATIONS
from adl_tf.localization.protocols import CUBEHELIX_GREY
from adl_tf.localization.runs import largest_boxes


def to_heatmaps(
    class_maps, size, interpolation="bilinear", normalization="min_max"
):
    """Enlarges class activation maps and stretches them to [0, 1].

    Args:
        class_maps: float32 tensor `(batch, h, w)`, whose height and width are
            known before it runs.
        size: Side of the heatmaps in pixels.
        interpolation: `"bilinear"` or `"bicubic"`, as OpenCV's.
        normalization: `"min_max"`, or `"max"` to divide by the maximum alone
            and count what is negative as 0.

    Returns:
        float32 tensor `(batch, size, size)`; zeros where a map is constant,
        holds a NaN or an infinity, or has nothing positive to divide by.
    """
    # Asked before they are enlarged, as `to_heatmap` does.
    flat = tf.reduce_max(class_maps, (1, 2)) <= tf.reduce_min(
        class_maps, (1, 2)
    )
    finite = tf.reduce_all(tf.abs(class_maps) < np.inf, (1, 2))
    # Columns first, then rows: both gathers copy whole rows of memory.
    wide = _enlarged(tf.transpose(class_maps, (0, 2, 1)), size, interpolation)
    heatmaps = _enlarged(tf.transpose(wide, (0, 2, 1)), size, interpolation)
    high = tf.reduce_max(heatmaps, axis=(1, 2), keepdims=True)
    low = tf.reduce_min(heatmaps, axis=(1, 2), keepdims=True)
    if normalization == "max":
        low = tf.zeros_like(low)
    usable = (finite & ~flat)[:, None, None] & (high > low)
    stretched = tf.maximum(heatmaps - low, 0.0) / tf.where(
        usable, high - low, 1.0
    )
    return tf.where(usable, stretched, 0.0)


def _enlarged(class_maps, size, interpolation):
    """Interpolates along the first axis of each map.

    By the weights that OpenCV gives single pixels. TensorFlow's own bicubic
    interpolation has others, and products of matrices are rounded to ten bits
    on some accelerators.
    """
    length = class_maps.shape[1]
    weights = cv2.resize(
        np.eye(length, dtype=np.float32),
        (length, size),
        interpolation=INTERPOLATIONS[interpolation],
    )
    taps = np.count_nonzero(weights, axis=1).max()
    # The pixels that have a weight, in the order of the picture.
    pixels = np.sort(np.argsort(-np.abs(weights), axis=1)[:, :taps], axis=1)
    weights = np.take_along_axis(weights, pixels, axis=1)
    return sum(
        tf.gather(class_maps, pixels[:, tap], axis=1) * weights[:, tap, None]
        for tap in range(taps)
    )


def boxes_above(heatmaps, thresholds, levels="linear", by_rectangle=False):
    """Box of the largest contour of each heatmap at its threshold.

    Args:
        heatmaps: float32 tensor `(batch, height, width)` in [0, 1].
        thresholds: float32 tensor `(batch,)` in [0, 1]. Where the maximum of
            a heatmap is 1, single precision moves no threshold of three
            decimals.
        levels: `"linear"` or `"cubehelix"`: the integers that are compared
            with the threshold, as in `Protocol`.
        by_rectangle: Whether contours are compared by their bounding
            rectangles rather than by the area that they enclose.

    Returns:
        int32 tensor `(batch, 4)` of x0, y0, x1, y1 in pixels, the right and
        lower end exclusive; zeros where nothing is kept.

    Reference:

    - `Protocol.to_levels` and `boxes_at_cutoffs`; spec E.1.4-6, E.2.4-5
    """
    if levels == "cubehelix":
        scale, values = 256.0, CUBEHELIX_GREY.astype(np.int32)
    else:
        scale, values = 255.0, np.arange(256, dtype=np.int32)
    indices = tf.minimum(heatmaps * scale, 255.0)
    highest = tf.cast(tf.reduce_max(indices, axis=(1, 2)), tf.int32)
    # Products of 24 and 8 bits: a double holds them, as Python does.
    cutoffs = tf.cast(
        tf.cast(thresholds, tf.float64)
        * tf.cast(tf.gather(values, highest), tf.float64),
        tf.int32,
    )
    # Levels do not decrease, so those above a cut-off are those from some
    # place of the table on.
    first = tf.reduce_sum(
        tf.cast(values <= cutoffs[:, None], tf.float32), axis=1
    )
    kept = indices >= first[:, None, None]
    return largest_boxes(kept, by_rectangle)
