"""Keeps the small files of searches: trials, flags, history, metrics.

    python -m experiments.search_records --name=mobilenet_v1_adl \\
        --search_dir=runs/search_adl

Copies them to experiments/results/search/NAME, or below --results_dir; paths of
the machine are left out. Trials of uncommitted code are not recorded. Needs pip
install 'adl-tf[search]'.
"""

import os

from absl import flags

from adl_tf import command
from adl_tf.errors import UsageError
from experiments.records import RESULTS, keep_search

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


if __name__ == "__main__":
    names = ("name", "search_dir", "results_dir")
    command.run(main, "experiments.search_records", names)
