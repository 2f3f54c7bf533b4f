"""Checks of evaluations read from disk: arrays, shapes and types.

Code that uses an evaluation later relies on them.
"""

import numpy as np

from adl_tf.localization.metrics import THRESHOLDS
from adl_tf.text_files import is_number, is_whole_number

_ACCURACIES = (
    "top1_clas",
    "top5_clas",
    "max_box_acc",
    "max_box_acc_v2",
    "pxap",
)
_AT_A_THRESHOLD = ("gt_known_loc", "top1_loc", "top5_loc")
_TEXTS = ("split", "val_split", "heatmap", "dataset", "classes")
# Number of dimensions, kinds of numbers (as of NumPy), and what the first
# dimension counts.
_ARRAYS = {
    "image_ids": (1, "U", "images"),
    "labels": (1, "iu", "images"),
    "ground_truth_counts": (1, "iu", "images"),
    "class_names": (1, "U", None),
    "sizes": (1, "iu", None),
    "thresholds": (1, "f", None),
    "boxes": (2, "iu", None),
    "ground_truth": (2, "iu", None),
}
_OPTIONAL_ARRAYS = {
    "paths": (1, "U", "images"),
    "byte_ranges": (2, "iu", "images"),
    "predicted": (1, "iu", "images"),
    "probabilities": (1, "f", "images"),
    "heatmaps": (3, "u", "images"),
    "heatmap_shares": (2, "f", "images"),
}


def fault_of_metrics(metrics):
    """What is wrong with the content of a metrics.json.

    Args:
        metrics: Dictionary.

    Returns:
        Text, or `None`.
    """
    if not isinstance(metrics.get("protocol"), str):
        return "it names no protocol"
    count = metrics.get("num_images")
    if not is_whole_number(count) or count < 0:
        return "num_images is not a whole number"
    for name in _TEXTS:
        if not isinstance(metrics.get(name, ""), (str, type(None))):
            return f"{name} is not text"
    for name in _ACCURACIES:
        if not _is_percentage(metrics.get(name)):
            return f"{name} is not a percentage"
    for name in THRESHOLDS:
        fault = _fault_at_a_threshold(metrics.get(name))
        if fault:
            return f"{name}: {fault}"
    for name in ("confidence_intervals", "rules", "baselines"):
        if not isinstance(metrics.get(name) or {}, dict):
            return f"{name} is not a table"
    return _fault_of_curve(metrics.get("curve"))


def _fault_at_a_threshold(found):
    if found is None:
        return None
    if not isinstance(found, dict):
        return "not a table"
    tau = found.get("tau")
    if not is_number(tau) or not 0 <= tau <= 1:
        return "tau is not a number from 0 to 1"
    for name in _AT_A_THRESHOLD:
        if not _is_percentage(found.get(name)):
            return f"{name} is not a percentage"
    return None


def _fault_of_curve(curve):
    if curve is None:
        return None
    if not isinstance(curve, dict) or not isinstance(curve.get("tau"), list):
        return "curve is not a table of lists"
    for name in ("tau", "gt_known_loc", "top1_loc"):
        values = curve.get(name)
        if values is None and name == "top1_loc":
            continue
        if (
            not isinstance(values, list)
            or len(values) != len(curve["tau"])
            or not all(map(is_number, values))
        ):
            return f"curve: {name} is not a number for each threshold"
    return None


def _is_percentage(value):
    return value is None or (is_number(value) and 0 <= value <= 100)


def fault_of_arrays(arrays, metrics):
    """What is wrong with the arrays of an evaluation, or with its rules.

    Args:
        arrays: Dictionary of arrays.
        metrics: Dictionary in which `fault_of_metrics` found nothing.

    Returns:
        Text, or `None`.
    """
    count = metrics["num_images"]
    if not is_number((metrics.get("rules") or {}).get("min_iou")):
        return "it does not say which IoU a correct box has"
    for name in _ARRAYS:
        if name not in arrays:
            return f"it has no array {name}"
    for name, (dimensions, kinds, counts) in {
        **_ARRAYS,
        **_OPTIONAL_ARRAYS,
    }.items():
        array = arrays.get(name)
        if array is None:
            continue
        if array.ndim != dimensions or array.dtype.kind not in kinds:
            return f"{name} is not of its shape and type"
        if counts and len(array) != count:
            return f"{name} is of {len(array)} images, not of {count}"
    return _fault_of_boxes(arrays, count)


def _fault_of_boxes(arrays, count):
    boxes, thresholds = arrays["boxes"], arrays["thresholds"]
    if len(arrays["sizes"]) != 2 or (arrays["sizes"] < 1).any():
        return "sizes are not those of an input and of an image"
    if not np.isfinite(thresholds).all() or (np.diff(thresholds) < 0).any():
        return "thresholds do not rise"
    if boxes.shape[1] != 6 or arrays["ground_truth"].shape[1] != 4:
        return "boxes do not have four sides"
    if len(boxes) and not (
        (np.diff(boxes[:, 0]) >= 0).all()
        and 0 <= boxes[0, 0] <= boxes[-1, 0] < count
        and (0 <= boxes[:, 1]).all()
        and (boxes[:, 1] < max(1, len(thresholds))).all()
    ):
        return "boxes are not in order"
    counts = arrays["ground_truth_counts"]
    if (counts < 0).any() or counts.sum() != len(arrays["ground_truth"]):
        return "ground truth boxes are more or fewer than counted"
    return None
