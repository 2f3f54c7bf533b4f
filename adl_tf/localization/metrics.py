"""Classification and localization accuracies over a test set."""

import numpy as np

from adl_tf.localization.boxes import box_iou, boxes_at_thresholds
from adl_tf.localization.pixels import PixelHistograms
from adl_tf.localization.scores import DELTAS, nearest

# The thresholds in metrics.json at which boxes are scored, and their meaning.
THRESHOLDS = {
    "fixed_tau": "fixed",
    "val_tau": "chosen on other images",
    "exported_tau": "of the exported model",
    "best_tau": "best (oracle)",
}

# Images whose bits are unpacked at a time.
_CHUNK = 1024


def max_box_acc(heatmaps, boxes, thresholds, deltas=(0.5,), multi=False):
    """Box accuracy at the best threshold, on average over required overlaps.

    Args:
        heatmaps: Iterable of float arrays `(height, width)` in [0, 1].
        boxes: Iterable of arrays `(n, 4)`: ground truth boxes x0, y0, x1, y1
            in pixels of the heatmap; a match with any of them counts.
        thresholds: Sequence of floats in [0, 1].
        deltas: Required overlaps. The best threshold may differ between them.
        multi: Whether any contour's box counts rather than the largest one's.

    Returns:
        Float in percent. `deltas=(0.5,)` gives MaxBoxAcc, and `deltas=(0.3,
        0.5, 0.7), multi=True` MaxBoxAccV2.

    Raises:
        ValueError: If there are no heatmaps, or one has no box.

    Example:

    >>> heatmap = np.zeros((10, 10))
    >>> heatmap[2:6, 3:9] = 1.0
    >>> max_box_acc([heatmap], [[[3, 2, 8, 5]]], [0.2, 0.5])
    100.0

    Reference:

    - [Choe et al., 2020](https://arxiv.org/abs/2001.07437)
    """
    hits = np.zeros((len(deltas), len(thresholds)))
    count = 0
    for heatmap, ground_truth in zip(heatmaps, boxes, strict=True):
        if not len(ground_truth):
            raise ValueError(f"`boxes` has none for the heatmap {count}")
        estimates = boxes_at_thresholds(heatmap, thresholds, multi)
        if not multi:
            estimates = estimates[:, None]
        overlaps = np.array(
            [box_iou(each, ground_truth).max() for each in estimates]
        )
        hits += overlaps >= np.array(deltas)[:, None]
        count += 1
    if not count:
        raise ValueError("`heatmaps` is empty")
    return float(100 * (hits / count).max(axis=1).mean())


def localization_metrics(
    scores, correct, correct_top5, val_tau=None, exported_tau=None
):
    """All accuracies of predicted boxes and classes.

    Args:
        scores: `Scores`.
        correct: Bool array `(images,)`: whether the predicted class is right;
            `None` without class predictions.
        correct_top5: Bool array `(images,)`: whether the class is in the top5.
        val_tau: Threshold that was chosen on other images, or `None`.
        exported_tau: Threshold of the model that is scored, or `None`. The
            protocol's nearest takes its place, as for `val_tau`.

    Returns:
        Dictionary with the accuracies of metrics.json, in percent; `None`
        where the data do not allow one. `best_tau` is chosen on these very
        images, hence `"oracle": True`.
    """
    metrics = {
        "top1_clas": _share(correct),
        "top5_clas": _share(correct_top5),
        "fixed_tau": None,
        "best_tau": None,
        "val_tau": None,
        "exported_tau": None,
        "curve": None,
        "max_box_acc": None,
        "max_box_acc_v2": None,
        "pxap": _pxap(scores),
        "baselines": None,
    }
    if not scores.has_boxes:
        return metrics
    gt_known, top1_loc, top5_loc, of_any = _curves(
        scores, correct, correct_top5
    )
    thresholds = scores.thresholds

    def at(index):
        return {
            "tau": float(thresholds[index]),
            "gt_known_loc": float(gt_known[index]),
            "top1_loc": _item(top1_loc, index),
            "top5_loc": _item(top5_loc, index),
        }

    fixed = nearest(thresholds, scores.protocol.fixed_threshold)
    metrics["fixed_tau"] = at(fixed)
    metrics["best_tau"] = {**at(int(np.argmax(gt_known))), "oracle": True}
    if val_tau is not None:
        metrics["val_tau"] = at(nearest(thresholds, val_tau))
    if exported_tau is not None:
        metrics["exported_tau"] = {
            **at(nearest(thresholds, exported_tau)),
            "of_model": float(exported_tau),
        }
    metrics["curve"] = {
        "tau": thresholds.tolist(),
        "gt_known_loc": gt_known.tolist(),
        "top1_loc": None if top1_loc is None else top1_loc.tolist(),
    }
    metrics["max_box_acc"] = float(gt_known.max())
    metrics["max_box_acc_v2"] = float(of_any.max(axis=1).mean())
    metrics["max_box_acc_v2_parts"] = {
        str(delta): float(curve.max()) for delta, curve in zip(DELTAS, of_any)
    }
    metrics["baselines"] = scores.baselines()
    return metrics


def chunks(count):
    """Slices that cover `count` images, a thousand or so at a time.

    Args:
        count: Number of images.

    Yields:
        Slices.
    """
    for begin in range(0, count, _CHUNK):
        yield slice(begin, min(begin + _CHUNK, count))


def _curves(scores, correct, correct_top5):
    """Percentages at every threshold; `None` without class predictions."""
    counts = np.zeros((3 + len(DELTAS), len(scores.thresholds)))
    for images in chunks(len(scores)):
        hits = scores.hits(images)
        counts[0] += hits.sum(axis=0)
        if correct is not None:
            counts[1] += hits[correct[images]].sum(axis=0)
        if correct_top5 is not None:
            counts[2] += hits[correct_top5[images]].sum(axis=0)
        counts[3:] += [any_.sum(axis=0) for any_ in scores.hits_of_any(images)]
    gt_known, top1_loc, top5_loc, *of_any = 100 * counts / len(scores)
    return (
        gt_known,
        None if correct is None else top1_loc,
        None if correct_top5 is None else top5_loc,
        np.array(of_any),
    )


def _pxap(scores):
    if not scores.has_masks:
        return None
    parts = [scores.pixels(images).sum(0) for images in chunks(len(scores))]
    return PixelHistograms(*np.sum(parts, axis=0)).average_precision()


def _share(right):
    return None if right is None else float(100 * np.mean(right))


def _item(curve, index):
    return None if curve is None else float(curve[index])
