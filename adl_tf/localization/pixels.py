"""Pixel-wise average precision, pooled over a test set: PxAP."""

import numpy as np

from adl_tf.localization.boxes import checked

# wsolevaluation's bins: thousandths, and three open ones above.
_EDGES = np.append(np.arange(0, 1, 0.001), [1.0, 2.0, 3.0])
BINS = len(_EDGES) - 1


class PixelHistograms:
    """How often each score was given to pixels on and off the object.

    Attributes:
        on_object: Array `(bins,)`, zeros unless given.
        off_object: Array `(bins,)`, zeros unless given.
    """

    def __init__(self, on_object=None, off_object=None):
        empty = np.zeros(BINS, np.int64)
        self.on_object = empty if on_object is None else on_object
        self.off_object = empty if off_object is None else off_object

    @classmethod
    def of(cls, heatmap, mask, ignored=None):
        """Histograms of one image.

        Args:
            heatmap: Float array `(height, width)` in [0, 1].
            mask: Bool array of the same shape: the object's pixels.
            ignored: Bool array of the same shape, or `None`: pixels that do
                not count unless they are the object's.

        Returns:
            `PixelHistograms`.
        """
        histograms = cls()
        off = ~mask if ignored is None else ~(mask | ignored)
        heatmap = checked(heatmap)
        histograms.on_object = np.histogram(heatmap[mask], _EDGES)[0]
        histograms.off_object = np.histogram(heatmap[off], _EDGES)[0]
        return histograms

    def add(self, other):
        """Adds the pixels of other histograms.

        Args:
            other: `PixelHistograms`.
        """
        self.on_object = self.on_object + other.on_object
        self.off_object = self.off_object + other.off_object

    def average_precision(self):
        """Area under the curve of precision against recall.

        Returns:
            Float in percent, or `None` if no pixel is on the object.
        """
        if not self.on_object.sum():
            return None
        right = np.cumsum(self.on_object[::-1])
        wrong = np.cumsum(self.off_object[::-1])
        with np.errstate(invalid="ignore"):  # no pixels: left out below
            precision = right / (right + wrong)
        recall = right / right[-1]
        parts = precision[1:] * np.diff(recall)
        return float(100 * parts[(right + wrong)[1:] > 0].sum())


def pixel_average_precision(heatmaps, masks, ignored=None):
    """Pixel average precision (PxAP) of heatmaps against masks.

    Args:
        heatmaps: Iterable of float arrays `(height, width)` in [0, 1].
        masks: Iterable of bool arrays of the same shapes: the object.
        ignored: Iterable of bool arrays, or `None`: pixels that do not count
            unless they are the object's.

    Returns:
        Float in percent: the area under the precision-recall curve of all
        pixels of all images together, in steps of 0.001 of the score.

    Raises:
        ValueError: If a heatmap is not in [0, 1], a mask has another shape
            than its heatmap, or no mask holds a pixel.

    Example:

    >>> heatmap = np.array([[0.9, 0.8], [0.3, 0.1]])
    >>> mask = np.array([[True, True], [False, False]])
    >>> pixel_average_precision([heatmap], [mask])
    100.0

    Reference:

    - [Choe et al., 2020](https://arxiv.org/abs/2001.07437)
    """
    total = PixelHistograms()
    masks = [np.asarray(mask, bool) for mask in masks]
    ignored = [None] * len(masks) if ignored is None else list(ignored)
    for heatmap, mask, left_out in zip(heatmaps, masks, ignored, strict=True):
        heatmap = np.asarray(heatmap)
        left_out = np.zeros_like(mask) if left_out is None else left_out
        left_out = np.asarray(left_out, bool)
        if not heatmap.shape == mask.shape == left_out.shape:
            raise ValueError(
                "Masks must have the shape of their heatmap. Received: "
                f"heatmap.shape={heatmap.shape}, mask.shape={mask.shape}, "
                f"ignored.shape={left_out.shape}"
            )
        total.add(PixelHistograms.of(heatmap, mask, left_out))
    precision = total.average_precision()
    if precision is None:
        raise ValueError("`masks` must hold a pixel of an object")
    return precision
