"""Differences between runs on the same images, and how certain they are."""

import numpy as np

from adl_tf.errors import UsageError
from experiments.records import METRICS, THRESHOLDS

RESAMPLES = 10_000
_AT_A_TIME = 500


def check_alike(runs, protocol):
    """Refuses runs that were shown other images, or in other sizes.

    Args:
        runs: List of `Run`.
        protocol: Name of a protocol under which all were scored.

    Raises:
        UsageError: If images, their order or their sizes differ.
    """
    arrays = [run.evaluations[protocol].arrays for run in runs]
    for run, each in zip(runs[1:], arrays[1:]):
        names = f"{runs[0].folder} and {run.folder}"
        ids, others = arrays[0]["image_ids"], each["image_ids"]
        if not np.array_equal(ids, others):
            raise UsageError(
                f"{names} were evaluated on different images: {len(ids)} and "
                f"{len(others)}, {len(np.intersect1d(ids, others))} in common; "
                "evaluate both on the same data"
            )
        sizes, others = arrays[0]["sizes"], each["sizes"]
        if not np.array_equal(sizes, others):
            raise UsageError(
                f"{names} were shown images of different sizes under "
                f"{protocol}: input_size, resize_size {sizes.tolist()} and "
                f"{others.tolist()}; compare runs of equal sizes, or under a "
                "protocol without a crop"
            )


def outcomes(evaluation):
    """Whether a run was right on each image.

    Args:
        evaluation: `Evaluation`.

    Returns:
        Dictionary from tuples of metric and threshold (keys of `METRICS` and
        `THRESHOLDS`) to bool arrays `(images,)`.
    """
    found = {}
    for threshold in THRESHOLDS:
        tau = evaluation.tau(threshold)
        if tau is not None:
            correct = evaluation.correct_classes
            hit = evaluation.correct_boxes(tau)
            for metric, right in zip(METRICS, (correct, hit, correct & hit)):
                found[metric, threshold] = right
    return found


def differences(baseline, method):
    """Differences of two groups of runs, by paired bootstrap over the images.

    Args:
        baseline: List of dictionaries, from `outcomes`, one a seed.
        method: Those of the other group.

    Returns:
        Dictionary from the keys that all runs have to tuples of the mean
        difference, and of the lower and upper bound of its 95 % interval, in
        points.
    """
    keys = [
        key
        for key in method[0]
        if all(key in each for each in (*baseline, *method))
    ]
    shares = [
        np.array([[each[key] for key in keys] for each in group]).mean(axis=0)
        for group in (baseline, method)
    ]
    changes = 100 * (shares[1] - shares[0]).T
    low, high = np.percentile(_resampled(changes), [2.5, 97.5], axis=0)
    bounds = np.stack([changes.mean(axis=0), low, high], axis=1)
    return dict(zip(keys, map(tuple, bounds.tolist())))


def verdict(difference, seeds):
    """Whether one row is above another, as far as the runs show.

    Args:
        difference: Mean, lower and upper bound, from `differences`.
        seeds: List of the differences of the seeds.

    Returns:
        `"held"` if the difference is positive for every seed and its interval
        above zero, `"not held"` if both are negative, `"within noise"`
        otherwise.
    """
    _, low, high = difference
    if low > 0 and min(seeds) > 0:
        return "held"
    if high < 0 and max(seeds) < 0:
        return "not held"
    return "within noise"


def _resampled(changes):
    """Means of the columns over images drawn anew, `(resamples, columns)`."""
    random, count = np.random.default_rng(0), len(changes)
    means = []
    for _ in range(0, RESAMPLES, _AT_A_TIME):
        drawn = random.integers(0, count, (_AT_A_TIME, count))
        drawn += np.arange(_AT_A_TIME)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=_AT_A_TIME * count)
        means.append(times.reshape(_AT_A_TIME, count) @ changes / count)
    return np.concatenate(means)
