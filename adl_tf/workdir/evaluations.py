"""Evaluations in a work directory: boxes at every threshold, metrics.

The folder `evaluations/` has a file for each protocol and split that were
scored, so that one does not replace the other: NAME.h5 with the metrics and
what the images are drawn from (WORKSPACE.md lists the arrays). NAME.json beside
it is a copy of the metrics for people. 0.1.0 wrote NAME.npz without metrics,
and so do records of experiments.
"""

import contextlib
import glob
import json
import os

from adl_tf.errors import DataError
from adl_tf.files import write_whole
from adl_tf.locks import locked
from adl_tf.text_files import parse_json, read_json
from adl_tf.workdir.checks import fault_of_arrays, fault_of_metrics
from adl_tf.workdir.evaluation import Evaluation
from adl_tf.workdir.evaluation_file import read_arrays, write_arrays

FOLDER = "evaluations"


def metrics_text(metrics):
    """The text of metrics.json: a line an entry, since the curve is long.

    Args:
        metrics: Dictionary.

    Returns:
        Text.
    """
    lines = [f' "{key}": {json.dumps(metrics[key])}' for key in metrics]
    return "{\n" + ",\n".join(lines) + "\n}\n"


@contextlib.contextmanager
def writing_to(output_dir):
    """Keeps other evaluations out of a folder, from scoring to writing.

    A run may be evaluated while it is trained: the lock is not that of
    training.

    Args:
        output_dir: As of `write_results`.

    Raises:
        DataError: If a file that is to be replaced is damaged.
        UsageError: If another process evaluates there.
    """
    path = os.path.join(output_dir, "metrics.json")
    if os.path.isfile(path):
        _read_metrics(path)
    folder = os.path.join(output_dir, FOLDER)
    is_new = not os.path.isdir(folder)
    with locked(folder, f"--output_dir={output_dir}"):
        try:
            yield
        except BaseException:
            if is_new:
                _remove_empty(output_dir, folder)
            raise


def _remove_empty(output_dir, folder):
    """Removes the folders of an evaluation that failed, if they are empty."""
    with contextlib.suppress(OSError):
        if os.listdir(folder) == ["lock"]:
            os.remove(os.path.join(folder, "lock"))
        os.rmdir(folder)
        os.rmdir(output_dir)


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
    write_evaluation(output_dir, metrics, arrays)
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


def write_evaluation(output_dir, metrics, arrays):
    """Writes the file of an evaluation, and the copy of its metrics.

    Args:
        output_dir: Folder that `evaluations/` is or will be in.
        metrics: Dictionary of metrics.json.
        arrays: Dictionary, from `Scoring.arrays`.
    """
    folder = os.path.join(output_dir, FOLDER)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, _name(metrics))
    text = metrics_text(metrics)
    write_arrays(f"{path}.h5", text, arrays)
    write_whole(f"{path}.json", text)
    # Of the evaluation that this one replaces.
    if os.path.isfile(f"{path}.npz"):
        os.remove(f"{path}.npz")


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


def _read(stem):
    """`Evaluation` of the files of one name, `None` if there are none."""
    path, text, arrays = f"{stem}.h5", None, None
    if not os.path.isfile(path):
        path = f"{stem}.npz"
    if os.path.isfile(path):
        try:
            text, arrays = read_arrays(path)
        # What a damaged archive raises is not documented: zlib's, struct's
        # and zipfile's errors, NotImplementedError, MemoryError, tokenizer's.
        except Exception as error:
            raise _damaged(path, error) from None
    if text is not None:
        metrics = _checked(parse_json(text, path), path)
    elif os.path.isfile(f"{stem}.json"):
        metrics = _read_metrics(f"{stem}.json")
    elif arrays is not None:
        raise _damaged(path, "it has no metrics")
    else:
        return None
    fault = arrays and fault_of_arrays(arrays, metrics)
    if fault:
        raise _damaged(path, fault)
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


def _damaged(path, reason):
    reason = " ".join(str(reason).split())
    return DataError(f"{path} is damaged ({reason}): run adl_tf.evaluate again")


def _name(metrics):
    parts = [metrics["protocol"], metrics.get("split") or "test"]
    if metrics.get("heatmap", "cam") != "cam":
        parts.append(metrics["heatmap"])
    return "-".join(parts).replace(os.sep, "_")
