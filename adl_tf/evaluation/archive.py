"""What is kept of an evaluation for the report: boxes at every threshold.

A folder `evaluations/` holds two files for each protocol and split that were
scored, so that one does not replace the other: NAME.json, a copy of
metrics.json, and NAME.npz, what the pictures are drawn from. WORKSPACE.md lists
the arrays.
"""

import glob
import json
import os
import zipfile

import numpy as np

from adl_tf.errors import DataError
from adl_tf.files import write_whole

FOLDER = "evaluations"


def metrics_text(metrics):
    """The text of metrics.json: a line an entry, for the curve is long.

    Args:
        metrics: Dictionary.

    Returns:
        Text.
    """
    lines = [f' "{key}": {json.dumps(metrics[key])}' for key in metrics]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_archive(output_dir, metrics, arrays):
    """Writes the two files of an evaluation.

    Args:
        output_dir: Folder that `evaluations/` is or will be in.
        metrics: Dictionary of metrics.json.
        arrays: Dictionary of arrays, from `Scoring.arrays`.
    """
    folder = os.path.join(output_dir, FOLDER)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, _name(metrics))
    partial = f"{path}.partial.npz"  # NumPy wants the ending.
    np.savez_compressed(partial, **arrays)
    os.replace(partial, f"{path}.npz")
    write_whole(f"{path}.json", metrics_text(metrics))


def read_archives(folder):
    """Reads all evaluations of a work directory.

    Args:
        folder: Work directory, or --output_dir of adl_tf.evaluate.

    Returns:
        Dictionary from names to tuples of metrics and arrays. Arrays are
        `None` where there is a metrics.json alone, as older versions wrote.

    Raises:
        DataError: If a file is damaged.
    """
    archives = {}
    for path in sorted(glob.glob(os.path.join(folder, FOLDER, "*.json"))):
        metrics = _read_metrics(path)
        archives[_name(metrics)] = metrics, _read_arrays(path[:-5] + ".npz")
    path = os.path.join(folder, "metrics.json")
    if os.path.isfile(path):
        metrics = _read_metrics(path)
        archives.setdefault(_name(metrics), (metrics, None))
    return archives


def _name(metrics):
    parts = [metrics["protocol"], metrics.get("split") or "test"]
    if metrics.get("heatmap", "cam") != "cam":
        parts.append(metrics["heatmap"])
    return "-".join(parts).replace(os.sep, "_")


def _read_metrics(path):
    try:
        with open(path, encoding="utf-8") as file:
            metrics = json.load(file)
        metrics["protocol"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged: run adl_tf.evaluate again"
        ) from error
    return metrics


def _read_arrays(path):
    if not os.path.isfile(path):
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is damaged: run adl_tf.evaluate again"
        ) from error
