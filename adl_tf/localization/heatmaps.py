"""Heatmaps in [0, 1] from class activation maps. NumPy and OpenCV only."""

import cv2
import numpy as np

INTERPOLATIONS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
NORMALIZATIONS = ("min_max", "max")


def to_heatmap(
    class_map, size, interpolation="bilinear", normalization="min_max"
):
    """Enlarges a class activation map and stretches it to [0, 1].

    Args:
        class_map: Float array `(h, w)`.
        size: Side of the heatmap in pixels, or its height and width.
        interpolation: `"bilinear"` or `"bicubic"`.
        normalization: `"min_max"`, or `"max"` to divide by the maximum alone
            and count what is negative as 0 (the CAM paper's "20 % of the
            maximum").

    Returns:
        float32 array of that size with maximum 1 and, under `"min_max"`,
        minimum 0; all zeros if the map is constant, holds a NaN or an
        infinity, or has nothing positive to divide by.

    Raises:
        ValueError: If `class_map` is not a single map.
    """
    class_map = np.asarray(class_map, np.float32)
    if class_map.ndim != 2:
        raise ValueError(
            "`class_map` must have the shape (height, width): one map, not a "
            f"batch. Received: class_map of shape {class_map.shape}"
        )
    height, width = np.broadcast_to(size, 2).tolist()
    # Checked before resizing: the rounding of bicubic weights would turn a
    # constant map into a pattern. The comparison is false for NaN, too.
    if not -np.inf < class_map.min() < class_map.max() < np.inf:
        return np.zeros((height, width), np.float32)
    heatmap = cv2.resize(
        class_map, (width, height), interpolation=INTERPOLATIONS[interpolation]
    )
    low = heatmap.min() if normalization == "min_max" else np.float32(0)
    high = heatmap.max()
    if not high > low:
        return np.zeros((height, width), np.float32)
    heatmap -= low
    np.maximum(heatmap, 0, out=heatmap)
    heatmap /= high - low
    return heatmap


def fit_heatmap(heatmap, size, interpolation="bilinear"):
    """Resizes a heatmap to the size at which boxes are compared.

    Args:
        heatmap: Float array `(h, w)` in [0, 1].
        size: Side in pixels.
        interpolation: `"bilinear"` or `"bicubic"`.

    Returns:
        The heatmap itself if it has that size; else a float32 array `(size,
        size)` in [0, 1], resized but not stretched.
    """
    if heatmap.shape == (size, size):
        return heatmap
    resized = cv2.resize(
        heatmap.astype(np.float32),
        (size, size),
        interpolation=INTERPOLATIONS[interpolation],
    )
    return np.clip(resized, 0, 1)


def centre_heatmap(size):
    """A baseline that ignores the image: a Gaussian in the centre.

    Its standard deviation is a quarter of the side. Its boxes are centred
    squares of every size; the best of them is the baseline.

    Args:
        size: Side of the heatmap in pixels.

    Returns:
        float32 array `(size, size)` from 0 to 1.

    Reference:

    - The centre baseline of [Choe et al., 2020](
      https://arxiv.org/abs/2001.07437); the paper gives no
      width, a quarter is our choice.
    """
    distance = (np.arange(size) - (size - 1) / 2) / (size / 4)
    gaussian = np.exp(-(distance**2) / 2)
    return to_heatmap(np.outer(gaussian, gaussian), size)
