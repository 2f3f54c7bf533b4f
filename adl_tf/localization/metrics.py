"""Localisation accuracy over a test set (spec E.1.11)."""

import numpy as np


def localization_metrics(overlaps, correct, correct_top5, protocol):
    """Every accuracy that boxes and class answers give together.

    Args:
        overlaps: Float array `(images, thresholds)`: intersection over union
            of estimated and ground truth box.
        correct: Bool array `(images,)`: the class answer is right.
        correct_top5: Bool array `(images,)`: the class is among the first
            five.
        protocol: `Protocol`.

    Returns:
        Dictionary with `top1_clas`, `top5_clas`, `fixed_tau`, `best_tau`
        (chosen on these very images, hence `"oracle": True`) and `curve`; all
        accuracies in percent. Measures that are still to be written are
        `None`.
    """
    thresholds = protocol.threshold_values()
    hits = overlaps >= protocol.min_iou
    top1 = hits & correct[:, None]
    top5 = hits & correct_top5[:, None]
    gt_known, top1_loc, top5_loc = (
        100 * table.mean(axis=0) for table in (hits, top1, top5)
    )

    def at(index):
        return {
            "tau": float(thresholds[index]),
            "gt_known_loc": float(gt_known[index]),
            "top1_loc": float(top1_loc[index]),
            "top5_loc": float(top5_loc[index]),
        }

    fixed = int(np.argmin(np.abs(thresholds - protocol.fixed_threshold)))
    best = int(np.argmax(gt_known))
    return {
        "top1_clas": float(100 * correct.mean()),
        "top5_clas": float(100 * correct_top5.mean()),
        "fixed_tau": at(fixed),
        "best_tau": {**at(best), "oracle": True},
        "val_tau": None,
        "curve": {
            "tau": thresholds.tolist(),
            "gt_known_loc": gt_known.tolist(),
            "top1_loc": top1_loc.tolist(),
        },
        "max_box_acc": None,
        "max_box_acc_v2": None,
        "pxap": None,
    }
