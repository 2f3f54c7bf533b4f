"""Evaluations in a work directory: boxes at every threshold, metrics.

The folder `evaluations/` has a file for each protocol and split that were
scored, so that one does not replace the other: NAME.npz with the metrics and
what the images are drawn from (WORKSPACE.md lists the arrays). NAME.json beside
it is a copy of the metrics for people.
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
from adl_tf.text_files import parse_json, read_json
from adl_tf.workdir.checks import fault_of_arrays, fault_of_metrics
from adl_tf.workdir.evaluation import Evaluation

FOLDER = "evaluations"
# Name of the array that holds the text of the metrics.
METRICS = "metrics_json"
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
        before = _read_metrics(path)["protocol"]
        if before != metrics["protocol"]:
            replaced = f"; {before} stays in evaluations/"
    write_whole(path, metrics_text(metrics))
    return f"{path} ({metrics['protocol']}{replaced})"


def write_archive(output_dir, metrics, arrays):
    """Writes the file of an evaluation, and the copy of its metrics.

    Args:
        output_dir: Folder that `evaluations/` is or will be in.
        metrics: Dictionary of metrics.json.
        arrays: Dictionary of arrays and `ArrayInPieces`, from
            `Scoring.arrays`.
    """
    folder = os.path.join(output_dir, FOLDER)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, _name(metrics))
    text = metrics_text(metrics)
    encoded = np.frombuffer(text.encode(), np.uint8)
    with written_whole(f"{path}.npz") as partial:
        _save(partial, {METRICS: encoded, **arrays})
    write_whole(f"{path}.json", text)


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
    pattern = os.path.join(glob.escape(folder), FOLDER, "*")
    for stem in sorted({os.path.splitext(p)[0] for p in glob.glob(pattern)}):
        evaluation = _read(stem)
        if evaluation is not None:
            found[_name(evaluation.metrics)] = evaluation
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


def check_replaceable(output_dir):
    """Reads what `write_results` will read, before anything is scored.

    Args:
        output_dir: As of `write_results`.

    Raises:
        DataError: If a file is damaged.
    """
    path = os.path.join(output_dir, "metrics.json")
    if os.path.isfile(path):
        _read_metrics(path)


def _read(stem):
    """`Evaluation` of the files of one name, `None` if there are none."""
    arrays = metrics = None
    if os.path.isfile(f"{stem}.npz"):
        arrays = _read_arrays(f"{stem}.npz")
        encoded = arrays.pop(METRICS, None)
        if encoded is not None:
            text = encoded.tobytes().decode("utf-8", "replace")
            metrics = _checked(parse_json(text, f"{stem}.npz"), f"{stem}.npz")
    # Earlier versions and records have the metrics beside the arrays.
    if metrics is None and os.path.isfile(f"{stem}.json"):
        metrics = _read_metrics(f"{stem}.json")
    if metrics is None:
        if arrays is not None:
            raise _damaged(f"{stem}.npz", "it has no metrics")
        return None
    if arrays is not None:
        fault = fault_of_arrays(arrays, metrics)
        if fault:
            raise _damaged(f"{stem}.npz", fault)
    return Evaluation(metrics, arrays)


def _read_metrics(path):
    try:
        return _checked(read_json(path), path)
    except DataError as error:
        raise _damaged(path, str(error).removeprefix(f"{path}:")) from None


def _checked(metrics, path):
    fault = fault_of_metrics(metrics)
    if fault:
        raise _damaged(path, fault)
    return metrics


def _read_arrays(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    # What a damaged archive raises is not documented: zlib's, struct's and
    # zipfile's errors, NotImplementedError, MemoryError, tokenizer's.
    except Exception as error:
        raise _damaged(path, error) from None


def _damaged(path, reason):
    reason = " ".join(str(reason).split())
    return DataError(f"{path} is damaged ({reason}): run adl_tf.evaluate again")


def _name(metrics):
    parts = [metrics["protocol"], metrics.get("split") or "test"]
    if metrics.get("heatmap", "cam") != "cam":
        parts.append(metrics["heatmap"])
    return "-".join(parts).replace(os.sep, "_")
