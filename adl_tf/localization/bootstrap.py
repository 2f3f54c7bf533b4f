"""Confidence intervals by bootstrap over the images of a test set."""

import numpy as np
from threadpoolctl import threadpool_limits

from adl_tf.localization.metrics import THRESHOLDS, chunks
from adl_tf.localization.pixels import BINS, PixelHistograms
from adl_tf.localization.scores import nearest

LEVEL = 95
RESAMPLES = 1000
_AT_A_TIME = 20


def confidence_intervals(metrics, scores, correct, correct_top5):
    """Confidence intervals of the accuracies of `localization_metrics`.

    Images are resampled with replacement, 1,000 times. Thresholds stay as they
    were chosen on all images: the maximum of many accuracies is biased
    upwards, more so if it is taken anew in each resample. The intervals do not
    cover the variation between seeds.

    Args:
        metrics: As returned by `localization_metrics`.
        scores: `Scores`.
        correct: See `localization_metrics`.
        correct_top5: See `localization_metrics`.

    Returns:
        Dictionary with `level` (percent), `resamples`, and for each accuracy,
        under its own name, a list of its lower and upper bound in percent.
    """
    outcomes = _outcomes(metrics, scores, correct, correct_top5)
    # One thread is faster: several would mostly wait for each other.
    with threadpool_limits(1, "blas"):
        accuracies, pixels = _resampled(scores, outcomes)
    intervals: dict = {"level": LEVEL, "resamples": RESAMPLES}
    for (*tau, name), samples in zip(outcomes, accuracies):
        place = intervals.setdefault(tau[0], {}) if tau else intervals
        place[name] = _interval(samples)
    if scores.has_boxes:
        # The same number.
        best = intervals["best_tau"]["gt_known_loc"]
        intervals["max_box_acc"] = list(best)
    if scores.has_masks:
        # By chance, no pixel of the resample is on an object.
        precisions = [PixelHistograms(*p).average_precision() for p in pixels]
        intervals["pxap"] = _interval([each or 0.0 for each in precisions])
    return intervals


def _outcomes(metrics, scores, correct, correct_top5):
    """Whether each image is correct, for each accuracy.

    Returns:
        Dictionary from the path of an accuracy in `metrics`, a tuple of one
        or two keys, to an array `(images,)` whose mean is the accuracy.
    """
    answers = {"top1": correct, "top5": correct_top5}
    answers = {k: v for k, v in answers.items() if v is not None}
    outcomes: dict[tuple, np.ndarray] = {
        (f"{name}_clas",): right for name, right in answers.items()
    }
    every = list(chunks(len(scores)))
    for tau in [name for name in metrics if name in THRESHOLDS]:
        if not metrics[tau]:
            continue
        column = nearest(scores.thresholds, metrics[tau]["tau"])
        # Copies: views would keep the hits at all thresholds.
        parts = [scores.hits(images)[:, column].copy() for images in every]
        outcomes[tau, "gt_known_loc"] = hit = np.concatenate(parts)
        for name, right in answers.items():
            outcomes[tau, f"{name}_loc"] = hit & right
    if scores.has_boxes:
        totals = sum(np.sum(scores.hits_of_any(i), axis=1) for i in every)
        best = totals.argmax(axis=1)
        parts = [
            np.mean([h[:, c] for h, c in zip(scores.hits_of_any(i), best)], 0)
            for i in every
        ]
        outcomes["max_box_acc_v2",] = np.concatenate(parts)
    return outcomes


def _resampled(scores, outcomes):
    """Accuracies in percent, and counts of pixels, in each resample."""
    generator = np.random.default_rng(0)
    count = len(scores)
    outcomes = np.array(list(outcomes.values()), float).reshape(-1, count)
    accuracies = np.zeros((len(outcomes), RESAMPLES))
    pixels = np.zeros((RESAMPLES, 2, BINS))
    # How often each image was drawn, for some resamples at a time: for
    # ImageNet, all of them would not fit into memory.
    for begin in range(0, RESAMPLES, _AT_A_TIME):
        rows = slice(begin, begin + _AT_A_TIME)
        drawn = np.empty((_AT_A_TIME, count), np.uint16)
        for row in drawn:
            numbers = generator.integers(0, count, count)
            row[:] = np.bincount(numbers, minlength=count)
        for images in chunks(count):
            weights = drawn[:, images].astype(float)
            accuracies[:, rows] += outcomes[:, images] @ weights.T
            if scores.has_masks:
                pixels[rows] += np.tensordot(weights, scores.pixels(images), 1)
    return 100 * accuracies / count, pixels


def _interval(samples):
    tail = (100 - LEVEL) / 2
    return np.percentile(samples, [tail, 100 - tail]).tolist()
