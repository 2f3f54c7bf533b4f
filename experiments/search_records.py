"""Keeps the small files of searches: trials, flags, history, metrics.

    python -m experiments.search_records --name=mobilenet_v1_adl \\
        --search_dir=runs/search_adl

Copies them to experiments/results/search/NAME, or below --results_dir; paths of
the machine are left out. Trials of uncommitted code are not recorded. Needs pip
install 'adl-tf[search]'.
"""

import json
import os
import shutil

from absl import flags

from adl_tf import command
from adl_tf.errors import DataError, UsageError
from adl_tf.files import write_whole
from adl_tf.reporting.trials import write_trials
from adl_tf.workdir.flagfile import read_flags
from experiments.records import RESULTS, flags_without_paths

_KEPT = ("history.csv", "timing.csv", "environment.json", "metrics.json")

flags.DEFINE_string("name", None, "Name of the record.")
flags.DEFINE_string("search_dir", None, "--output_dir of adl_tf.search.")
flags.DEFINE_string(
    "results_dir", None, "Folder of the records [experiments/results]."
)


def main(values):
    for flag in ("name", "search_dir"):
        if not values[flag].value:
            raise UsageError(f"--{flag} is needed")
    command.require_extra("search", "matplotlib")
    folder = os.path.join(values.results_dir or RESULTS, "search", values.name)
    keep_search(values.search_dir, folder)
    print(f"written: {folder}")


def keep_search(search_dir, folder):
    """Writes the record of a search.

    Args:
        search_dir: Folder that adl_tf.search wrote.
        folder: Folder to write to; it is made.

    Raises:
        DataError: If it is no such folder, or a trial was not made by
            committed code.
    """
    best = os.path.join(search_dir, "best.cfg")
    if not os.path.isfile(best):
        raise DataError(f"no {best}: adl_tf.search writes it")
    trials = [
        name
        for name in sorted(os.listdir(search_dir))
        if os.path.isfile(os.path.join(search_dir, name, "metrics.json"))
    ]
    for trial in trials:
        path = os.path.join(search_dir, trial, "environment.json")
        with open(path, encoding="utf-8") as file:
            revision = json.load(file)["revision"]
        if not revision or revision.endswith("-dirty"):
            raise DataError(
                f"{os.path.join(search_dir, trial)} is not recorded: it was "
                f"trained by revision {revision}, not by committed code"
            )
    for name in trials:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for each in _KEPT:
            path = os.path.join(name, each)
            shutil.copy(
                os.path.join(search_dir, path), os.path.join(folder, path)
            )
        _keep_flags(search_dir, folder, os.path.join(name, "flags.cfg"))
    _keep_flags(search_dir, folder, "best.cfg")
    shutil.copy(os.path.join(search_dir, "trials.csv"), folder)
    write_trials(folder, "top1_loc")


def _keep_flags(search_dir, folder, path):
    flags_there = read_flags(os.path.join(search_dir, path))
    text = flags_without_paths(flags_there)
    write_whole(os.path.join(folder, path), text)


if __name__ == "__main__":
    names = ("name", "search_dir", "results_dir")
    command.run(main, "experiments.search_records", names)
