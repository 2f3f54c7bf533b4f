"""Boxes from heatmaps, and the IoU of boxes, on NumPy arrays."""

import cv2
import numpy as np

from adl_tf.localization import components


def boxes_at_thresholds(heatmap, thresholds, multi=False):
    """Boxes of a heatmap at each threshold, as in wsolevaluation.

    The map becomes integers from 0 to 255; at a threshold `t`, pixels above
    `int(t * maximum)` are kept; the component (8-connected) whose contour
    encloses the largest area gives the box.

    Args:
        heatmap: Float array `(height, width)` in [0, 1].
        thresholds: Sequence of T floats in [0, 1].
        multi: Whether to return the boxes of all contours, those of holes
            included, rather than of the largest.

    Returns:
        int array `(T, 4)` of x0, y0, x1, y1 in pixels, zeros where nothing is
        kept; with `multi`, a list of T arrays `(boxes, 4)`, whose rows are in
        no particular order; thresholds that keep the same pixels share one.

    Raises:
        ValueError: If the heatmap or the thresholds are invalid.

    Example:

    >>> heatmap = np.zeros((10, 10))
    >>> heatmap[2:5, 3:8] = 1.0
    >>> boxes_at_thresholds(heatmap, [0.5])
    array([[3, 2, 8, 5]])

    Reference:

    - [Choe et al., 2020](https://arxiv.org/abs/2001.07437)
    """
    levels = linear_levels(heatmap)
    thresholds = np.asarray(thresholds)
    # The comparison is false for NaN, too.
    if not np.all((thresholds >= 0) & (thresholds <= 1)):
        raise ValueError(
            "`thresholds` must lie in [0, 1]. "
            f"Received: thresholds={thresholds.tolist()}"
        )
    limit = [levels.shape[1] - 1, levels.shape[0] - 1] * 2
    wanted = cutoffs(levels, thresholds)
    if not multi:
        return np.minimum(boxes_at_cutoffs(levels, wanted), limit)
    _, boxes, belong = contours_at_cutoffs(levels, wanted)
    boxes = np.minimum(boxes, limit)
    begin = np.searchsorted(belong, np.arange(257))
    each = [
        boxes[b:e] if e > b else np.zeros((1, 4), int)
        for b, e in zip(begin, begin[1:])
    ]
    return [each[cutoff] for cutoff in wanted]


def linear_levels(heatmap):
    """The integers 0 to 255 of a heatmap: `uint8(255 * heatmap)`.

    Args:
        heatmap: Float array `(height, width)` in [0, 1]; NaN counts as 0.

    Returns:
        uint8 array `(height, width)`.

    Raises:
        ValueError: If the array has another rank or other values.
    """
    return (checked(heatmap) * 255).astype(np.uint8)


def cutoffs(levels, thresholds):
    """The integer levels of thresholds: pixels above a level are kept.

    Args:
        levels: uint8 array.
        thresholds: Sequence of T floats in [0, 1].

    Returns:
        int array `(T,)`: `int(threshold * largest level)`.
    """
    return (np.asarray(thresholds) * int(levels.max(initial=0))).astype(int)


def boxes_at_cutoffs(levels, cutoff_levels, by_rectangle=False):
    """Boxes of the largest contour above each cut-off.

    Args:
        levels: uint8 array `(height, width)`.
        cutoff_levels: int array `(T,)`, 0 to 255.
        by_rectangle: Whether contours are compared by their bounding
            rectangles rather than by the area that they enclose.

    Returns:
        int array `(T, 4)` of x0, y0, x1, y1 with the right and lower end
        exclusive, zeros where nothing is kept.
    """
    nowhere = np.zeros(256, bool)
    largest, is_open, *_ = components.contour_boxes(
        levels, nowhere, np.min(cutoff_levels, initial=255), by_rectangle
    )
    return _largest(levels, cutoff_levels, by_rectangle, largest, is_open)


def contours_at_cutoffs(levels, cutoff_levels, by_rectangle=False):
    """Boxes of the largest contour and of all contours above each cut-off.

    Args:
        levels: uint8 array `(height, width)`.
        cutoff_levels: int array `(T,)`, 0 to 255.
        by_rectangle: See `boxes_at_cutoffs`.

    Returns:
        Tuple of the output of `boxes_at_cutoffs`; the int array `(n, 4)` of the
        boxes of all contours, those of holes included; and the int array
        `(n,)` of the cut-offs that they belong to, in ascending order.
    """
    wanted = np.zeros(256, bool)
    wanted[cutoff_levels] = True
    largest, is_open, boxes, belong = components.contour_boxes(
        levels, wanted, np.min(cutoff_levels, initial=255), by_rectangle
    )
    order = np.argsort(belong, kind="stable")
    return (
        _largest(levels, cutoff_levels, by_rectangle, largest, is_open),
        boxes[order].astype(int),
        belong[order],
    )


def _largest(levels, cutoff_levels, by_rectangle, boxes, is_open):
    if is_open.any():
        for cutoff in np.unique(cutoff_levels[is_open[cutoff_levels]]):
            boxes[cutoff] = _largest_above(levels, int(cutoff), by_rectangle)
    return boxes[cutoff_levels].astype(int)


def box_iou(boxes, others):
    """Intersection over union of boxes whose ends both belong to them.

    Args:
        boxes: Array `(n, 4)` of x0, y0, x1, y1 in pixels.
        others: Array `(m, 4)`.

    Returns:
        Float array `(n, m)` in [0, 1]. Widths and heights are `x1 - x0 + 1`
        and `y1 - y0 + 1`, as in every WSOL evaluation.

    Example:

    >>> box_iou([[1, 2, 5, 6]], [[3, 1, 4, 5]])
    array([[0.2962963]])
    """
    boxes = np.asarray(boxes, float).reshape(-1, 1, 4)
    others = np.asarray(others, float).reshape(1, -1, 4)
    begin = np.maximum(boxes[..., :2], others[..., :2])
    end = np.minimum(boxes[..., 2:], others[..., 2:])
    intersection = _area(np.maximum(end - begin + 1, 0))
    areas = [
        _area(each[..., 2:] - each[..., :2] + 1) for each in (boxes, others)
    ]
    return intersection / (areas[0] + areas[1] - intersection)


def _area(sides):
    return sides[..., 0] * sides[..., 1]


def _largest_above(levels, cutoff, by_rectangle):
    """The box of the largest contour; of equal ones, OpenCV's first."""
    _, kept = cv2.threshold(levels, cutoff, 255, cv2.THRESH_BINARY)
    contours = cv2.findContours(kept, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    # OpenCV 3 returns three values, 4 and 5 return two.
    return max(
        ((_box(contour), contour) for contour in contours[-2]),
        key=lambda each: (
            _rectangle_area(each[0])
            if by_rectangle
            else cv2.contourArea(each[1])
        ),
    )[0]


def _box(contour):
    x, y, width, height = cv2.boundingRect(contour)
    return (x, y, x + width, y + height)


def _rectangle_area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def checked(heatmap):
    """Validates a heatmap and replaces NaN by 0.

    Args:
        heatmap: Array `(height, width)` in [0, 1]; NaN counts as 0.

    Returns:
        float32 or float64 array `(height, width)` without NaN.

    Raises:
        ValueError: If the array has another rank, no pixels or other values.
    """
    heatmap = np.asarray(heatmap)
    if heatmap.ndim != 2 or not heatmap.size:
        raise ValueError(
            "`heatmap` must have the shape (height, width). "
            f"Received: heatmap.shape={heatmap.shape}"
        )
    if heatmap.dtype == np.float16:
        # 255 times a half is rounded, at times up to the next integer.
        heatmap = heatmap.astype(np.float32)
    if heatmap.min() >= 0 and heatmap.max() <= 1:
        return heatmap  # as nearly always: no copy
    heatmap = np.nan_to_num(heatmap, nan=0.0)
    if heatmap.min() < 0 or heatmap.max() > 1:
        raise ValueError(
            "`heatmap` must lie in [0, 1]. Received values from "
            f"{heatmap.min():g} to {heatmap.max():g}"
        )
    return heatmap
