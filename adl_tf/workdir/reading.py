"""Runs read from their work directories: settings, history, evaluations."""

import csv
import dataclasses
import io
import os

from adl_tf.errors import DataError, UsageError
from adl_tf.text_files import read_json, read_text
from adl_tf.workdir.evaluations import read_evaluations
from adl_tf.workdir.flagfile import read_flags

# As many colours as the page has.
MAX_RUNS = 6


@dataclasses.dataclass(frozen=True)
class Run:
    """A work directory, read.

    Attributes:
        name: Short name, unique among the runs that are read together.
        settings: Dictionary from flags to their values, as text.
        environment: Dictionary of environment.json, empty without it.
        history: List of dictionaries, one an epoch, of numbers.
        evaluations: Dictionary from names to `Evaluation`, as
            `read_evaluations` returns it.
    """

    name: str
    settings: dict
    environment: dict
    history: list
    evaluations: dict


def read_runs(folders):
    """Reads work directories.

    Args:
        folders: List of their paths. A folder that adl_tf.evaluate alone has
            written to will do.

    Returns:
        List of `Run`.

    Raises:
        UsageError: If a folder does not exist or is named twice, there are
            too many, or they were scored on different images.
        DataError: If a folder holds nothing to report or a damaged file.
    """
    folders = [os.path.abspath(os.path.expanduser(each)) for each in folders]
    if len(folders) > MAX_RUNS:
        raise UsageError(
            f"--compare: at most {MAX_RUNS} runs stand side by side, not "
            f"{len(folders)}"
        )
    for index, folder in enumerate(folders):
        if not os.path.isdir(folder):
            raise UsageError(f"{folder} is not a folder")
        if folder in folders[:index]:
            raise UsageError(f"{folder} is named twice")
    runs = [
        _read(folder, name) for folder, name in zip(folders, _names(folders))
    ]
    for run in runs[1:]:
        check_same_images(runs[0], run)
    return runs


def check_same_images(first, other):
    """Refuses to compare accuracies on different images.

    Args:
        first: `Run`.
        other: `Run`.

    Raises:
        UsageError: If both were evaluated under the same protocol, and not on
            the same images.
    """
    for name in first.evaluations.keys() & other.evaluations.keys():
        one, two = first.evaluations[name], other.evaluations[name]
        same = len(one) == len(two)
        if same and one.arrays is not None and two.arrays is not None:
            ids = (set(each.arrays["image_ids"]) for each in (one, two))
            same = next(ids) == next(ids)
        if not same:
            raise UsageError(
                f"--compare: {first.name} and {other.name} were scored on "
                f"different images under {name}"
            )


def _names(folders):
    """The last parts of paths, as few as tell them apart."""
    parts = [folder.strip(os.sep).split(os.sep) for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            break
    return names


def _read(folder, name):
    run = Run(
        name=name,
        settings=read_flags(os.path.join(folder, "flags.cfg")),
        environment=_environment(os.path.join(folder, "environment.json")),
        history=_history(os.path.join(folder, "history.csv")),
        evaluations=read_evaluations(folder),
    )
    if not (run.settings or run.history or run.evaluations):
        raise DataError(
            f"{folder} holds nothing to report: is it a folder that "
            "adl_tf.train or adl_tf.evaluate wrote?"
        )
    return run


def _environment(path):
    if not os.path.isfile(path):
        return {}
    try:
        return read_json(path)
    except DataError as error:
        reason = str(error).removeprefix(f"{path}:").strip()
        raise DataError(f"{path} is damaged: {reason}") from None


def _history(path):
    if not os.path.isfile(path):
        return []
    try:
        rows = [
            {name: float(value) for name, value in row.items()}
            for row in csv.DictReader(io.StringIO(read_text(path)), strict=True)
        ]
        if not all("epoch" in row for row in rows):
            raise ValueError("it has no column 'epoch'")
        return rows
    except (ValueError, TypeError, AttributeError, csv.Error) as error:
        raise DataError(f"{path} is damaged: {error}") from None
