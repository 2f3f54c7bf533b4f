"""Confidence intervals by bootstrap over the images of a test set."""

import numpy as np
from threadpoolctl import threadpool_limits

from adl_tf.localization.metrics import chunks, nearest
from adl_tf.localization.pixels import BINS, PixelHistograms
from adl_tf.localization.scores import DELTAS

LEVEL = 95
RESAMPLES = 1000
_AT_A_TIME = 100


def confidence_intervals(metrics, scores, correct, correct_top5):
    """Intervals of the accuracies that `localization_metrics` gave.

    Images are drawn again, with replacement, 1,000 times. The thresholds of
    `fixed_tau`, `best_tau` and `val_tau` stay as they were chosen; those of
    MaxBoxAcc and MaxBoxAccV2 are chosen again each time, as their definition
    says. How much other seeds would change is not in it.

    Args:
        metrics: What `localization_metrics` returned.
        scores: `Scores`.
        correct: As for `localization_metrics`.
        correct_top5: As for `localization_metrics`.

    Returns:
        Dictionary with `level` (percent), `resamples`, and for each accuracy,
        under its own name, a list of its lower and upper bound in percent.
    """
    taus = [
        name for name in ("fixed_tau", "best_tau", "val_tau") if metrics[name]
    ]
    columns = [nearest(scores.thresholds, metrics[n]["tau"]) for n in taus]
    answers = {"top1": correct, "top5": correct_top5}
    answers = {k: v for k, v in answers.items() if v is not None}
    # Several threads would wait for each other longer than they compute.
    with threadpool_limits(1, "blas"):
        samples = _resampled(scores, columns, list(answers.values()))
    intervals = {"level": LEVEL, "resamples": RESAMPLES}
    numbers = iter(samples["single"].T)
    for name in answers:
        intervals[f"{name}_clas"] = _interval(next(numbers))
    for tau in taus:
        intervals[tau] = {"gt_known_loc": _interval(next(numbers))}
        for name in answers:
            intervals[tau][f"{name}_loc"] = _interval(next(numbers))
    if scores.has_boxes:
        largest, *of_any = (curve.max(axis=1) for curve in samples["curves"])
        intervals["max_box_acc"] = _interval(largest)
        intervals["max_box_acc_v2"] = _interval(np.mean(of_any, axis=0))
    if scores.has_masks:
        # No object at all, by chance: nothing is right.
        intervals["pxap"] = _interval(
            [
                PixelHistograms(*each).average_precision() or 0.0
                for each in samples["pixels"]
            ]
        )
    return intervals


def _resampled(scores, columns, answers):
    """Percentages in each resample: of single accuracies, and of curves.

    And the counts of pixels, as `Scores.pixels` has them.
    """
    generator = np.random.default_rng(0)
    count = len(scores)
    width = len(answers) + len(columns) * (1 + len(answers))
    single = np.zeros((RESAMPLES, width))
    distinct = _distinct(scores)
    curves = np.zeros((1 + len(DELTAS), RESAMPLES, len(distinct)))
    pixels = np.zeros((RESAMPLES, 2, BINS))
    # How often each image was drawn, for some resamples at a time: all of
    # them would not fit into memory with ImageNet.
    for begin in range(0, RESAMPLES, _AT_A_TIME):
        rows = slice(begin, begin + _AT_A_TIME)
        drawn = np.empty((_AT_A_TIME, count), np.uint16)
        for row in drawn:
            numbers = generator.integers(0, count, count)
            row[:] = np.bincount(numbers, minlength=count)
        for images in chunks(count):
            weights = drawn[:, images].astype(np.float32)
            hits = scores.hits(images)
            outcomes = right = [answer[images] for answer in answers]
            for column in columns:
                hit = hits[:, column]
                outcomes = [*outcomes, hit, *(hit & each for each in right)]
            if outcomes:
                single[rows] += weights @ np.stack(outcomes, axis=1)
            if scores.has_masks:
                pixels[rows] += np.tensordot(
                    weights.astype(float), scores.pixels(images), 1
                )
            if scores.has_boxes:
                every = [hits, *scores.hits_of_any(images)]
                for total, each in zip(curves, every):
                    total[rows] += weights @ each[:, distinct].astype(
                        np.float32
                    )
    return {
        "single": 100 * single / count,
        "curves": 100 * curves / count,
        "pixels": pixels,
    }


def _distinct(scores):
    """Thresholds that tell images apart otherwise than the one before.

    Of 1,000 there are 255 at most, and the largest of a curve is among them.
    """
    changes = np.zeros(len(scores.thresholds), bool)
    changes[0] = True
    for images in chunks(len(scores)):
        for hits in (scores.hits(images), *scores.hits_of_any(images)):
            changes[1:] |= np.any(hits[:, 1:] != hits[:, :-1], axis=0)
    return np.flatnonzero(changes)


def _interval(samples):
    tail = (100 - LEVEL) / 2
    return np.percentile(samples, [tail, 100 - tail]).tolist()
