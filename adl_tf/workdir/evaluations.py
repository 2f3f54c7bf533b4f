"""What is kept of an evaluation for the report: boxes at every threshold.

A folder `evaluations/` holds two files for each protocol and split that were
scored, so that one does not replace the other: NAME.json, a copy of
metrics.json, and NAME.npz, what the images are drawn from. WORKSPACE.md lists
the arrays.
"""

import dataclasses
import glob
import json
import os
import zipfile
from collections.abc import Iterable

import numpy as np

from adl_tf.errors import DataError
from adl_tf.files import write_whole, written_whole
from adl_tf.workdir.evaluation import Evaluation

FOLDER = "evaluations"
# Arrays under the name that 0.1.0 gave them.
_RENAMED = {"stretches": "byte_ranges"}


@dataclasses.dataclass(frozen=True)
class ArrayInPieces:
    """An array that is never whole in memory.

    Attributes:
        dtype: Its type.
        shape: Its shape.
        pieces: Iterable over arrays that make it up, one after the other.
    """

    dtype: type | np.dtype
    shape: tuple[int, ...]
    pieces: Iterable[np.ndarray]

    @classmethod
    def of_texts(cls, texts):
        """An array of texts, all as long as the longest.

        Args:
            texts: Function that gives an iterator over them; called twice.

        Returns:
            `ArrayInPieces`.
        """
        lengths = [len(text) for text in texts()]
        return cls(
            np.dtype(f"U{max(lengths, default=1)}"),
            (len(lengths),),
            (np.array(text) for text in texts()),
        )


def metrics_text(metrics):
    """The text of metrics.json: a line an entry, for the curve is long.

    Args:
        metrics: Dictionary.

    Returns:
        Text.
    """
    lines = [f' "{key}": {json.dumps(metrics[key])}' for key in metrics]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write_results(output_dir, metrics, records, arrays):
    """Writes all files of an evaluation.

    Args:
        output_dir: Folder to write into.
        metrics: Dictionary of metrics.json.
        records: Iterable of dictionaries, the lines of per_image.jsonl.
        arrays: Dictionary, from `Scoring.arrays`.

    Returns:
        Text: path of metrics.json, and what is in it.
    """
    os.makedirs(output_dir, exist_ok=True)
    write_archive(output_dir, metrics, arrays)
    write_whole(
        os.path.join(output_dir, "per_image.jsonl"),
        (json.dumps(record) + "\n" for record in records),
    )
    path = os.path.join(output_dir, "metrics.json")
    replaced = ""
    if os.path.isfile(path):
        with open(path, encoding="utf-8") as file:
            before = json.load(file).get("protocol")
        if before != metrics["protocol"]:
            replaced = f"; {before} stays in evaluations/"
    write_whole(path, metrics_text(metrics))
    return f"{path} ({metrics['protocol']}{replaced})"


def write_archive(output_dir, metrics, arrays):
    """Writes the two files of an evaluation.

    Args:
        output_dir: Folder that `evaluations/` is or will be in.
        metrics: Dictionary of metrics.json.
        arrays: Dictionary of arrays and `ArrayInPieces`, from
            `Scoring.arrays`.
    """
    folder = os.path.join(output_dir, FOLDER)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, _name(metrics))
    with written_whole(f"{path}.npz") as partial:
        _save(partial, arrays)
    write_whole(f"{path}.json", metrics_text(metrics))


def _save(path, arrays):
    """As `np.savez_compressed`, which wants its arrays whole."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            if isinstance(array, np.ndarray):
                array = ArrayInPieces(array.dtype, array.shape, [array])
            header = {
                "descr": np.lib.format.dtype_to_descr(np.dtype(array.dtype)),
                "fortran_order": False,
                "shape": tuple(map(int, array.shape)),
            }
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(file, header)
                for piece in array.pieces:
                    file.write(piece.astype(array.dtype).tobytes())


def read_evaluations(folder):
    """Reads all evaluations of a work directory.

    Args:
        folder: Work directory, or --output_dir of adl_tf.evaluate.

    Returns:
        Dictionary from names, such as `"adl_cvpr19-test"`, to `Evaluation`.

    Raises:
        DataError: If a file is damaged.
    """
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, FOLDER, "*.json"))):
        metrics = _read_metrics(path)
        arrays = _read_arrays(path[:-5] + ".npz")
        found[_name(metrics)] = Evaluation(metrics, arrays)
    path = os.path.join(folder, "metrics.json")
    if os.path.isfile(path):
        metrics = _read_metrics(path)
        found.setdefault(_name(metrics), Evaluation(metrics))
    return found


def read_evaluation(folder, protocol, split="test"):
    """Reads the evaluation of a split under a protocol.

    Args:
        folder: Work directory, or --output_dir of adl_tf.evaluate.
        protocol: Name of the protocol.
        split: Name of the split.

    Returns:
        `Evaluation` with boxes and predicted classes.

    Raises:
        DataError: If there is none, or it lacks boxes or classes.
    """
    name = f"{protocol}-{split}"
    evaluations = read_evaluations(folder)
    found = evaluations.get(name)
    if found is None or found.arrays is None:
        others = ", ".join(sorted(evaluations.keys() - {name}))
        raise DataError(
            f"{folder} was not evaluated under {protocol}"
            + (f", but {others}" if others else "")
            + f": python -m adl_tf.evaluate --workdir={folder} "
            f"--protocol={protocol}"
        )
    if found.correct_classes is None or found.tau("best_tau") is None:
        lacking = "classes" if found.correct_classes is None else "boxes"
        raise DataError(f"{folder} was evaluated without {lacking}")
    return found


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
            return {_RENAMED.get(name, name): file[name] for name in file}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is damaged: run adl_tf.evaluate again"
        ) from error
