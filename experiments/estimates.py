"""How long training takes: an estimate from what was recorded in results/.

Runs of the same network, where there are any, say it best: their time holds
reading images, too, and whatever else the machine did. Otherwise it is what a
step took when the costs of Table 3 were measured, and what another method costs
more than CAM is always that.
"""

import csv
import functools
import glob
import json
import os
import statistics

from experiments.measured import RESULTS, read_flags

# The costs of Table 3 are seconds of processor time on as many cores.
_CORES = 2


def seconds_per_image(backbone, method):
    """Of training on an image of 224x224 pixels.

    Args:
        backbone: Value of --backbone.
        method: Value of --method.

    Returns:
        Float.
    """
    recorded = _recorded().get(backbone)
    if recorded:
        cam = statistics.median(
            seconds / relative_cost(backbone, other)
            for other, seconds in recorded
        )
        return cam * relative_cost(backbone, method)
    return _steps()[backbone, method]


def relative_cost(backbone, method):
    """How many times CAM's time a method takes; 1 where nobody measured.

    Args:
        backbone: Value of --backbone.
        method: Value of --method.

    Returns:
        Float.
    """
    steps = _steps()
    if (backbone, method) not in steps:
        return 1.0
    return steps[backbone, method] / steps[backbone, "cam"]


@functools.cache
def _steps():
    """Dictionary from network and method to seconds an image of 224x224."""
    with open(
        os.path.join(RESULTS, "table3_cost.json"), encoding="utf-8"
    ) as file:
        costs = json.load(file)
    pixels = (costs["input_size"] / 224) ** 2
    return {
        (row["backbone"], row["method"]): statistics.median(
            row["ours"]["training_seconds"]
        )
        / (costs["batch_size"] * pixels * _CORES)
        for row in costs["rows"]
    }


@functools.cache
def _recorded():
    """Dictionary from networks to tuples of method and seconds an image."""
    found = {}
    for path in glob.glob(os.path.join(RESULTS, "*", "*", "history.csv")):
        folder = os.path.dirname(path)
        # Records of old have the times in history.csv.
        timing = os.path.join(folder, "timing.csv")
        last = _last_row(path)
        if os.path.isfile(timing):
            last |= _last_row(timing)
        flags = read_flags(os.path.join(folder, "flags.cfg"))
        pixels = (int(flags["input_size"]) / 224) ** 2
        images = int(last["step"]) * int(flags["batch_size"])
        found.setdefault(flags["backbone"], []).append(
            (flags["method"], float(last["seconds"]) / (images * pixels))
        )
    return found


def _last_row(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))[-1]
