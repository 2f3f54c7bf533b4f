"""From class activation maps to heatmaps in [0, 1]. NumPy and OpenCV only."""

import cv2
import numpy as np

INTERPOLATIONS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def to_heatmap(class_map, size, interpolation="bilinear"):
    """Enlarges a class activation map and stretches it to [0, 1].

    Args:
        class_map: Float array `(h, w)`.
        size: Side of the heatmap in pixels.
        interpolation: `"bilinear"` or `"bicubic"`.

    Returns:
        float32 array `(size, size)` with minimum 0 and maximum 1; all zeros
        if the map is constant or holds a NaN.
    """
    class_map = np.asarray(class_map, np.float32)
    # Asked before it is enlarged: the rounding of bicubic weights would make a
    # pattern of nothing. The comparison is false for NaN, too.
    if not class_map.max() > class_map.min():
        return np.zeros((size, size), np.float32)
    heatmap = cv2.resize(
        class_map, (size, size), interpolation=INTERPOLATIONS[interpolation]
    )
    low, high = heatmap.min(), heatmap.max()
    return (heatmap - low) / (high - low)
