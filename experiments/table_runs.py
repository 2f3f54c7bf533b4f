"""The runs of a table: their state, training and scoring.

A row with a seed is a work directory, `<runs_dir>/<data>/<row>_s<seed>`. Tables
share runs: CAM is a row of all three.
"""

import csv
import dataclasses
import os
import shlex
import subprocess
import sys

from adl_tf.errors import DataError, UsageError
from adl_tf.workdir.flagfile import read_flags

FOLDER = os.path.dirname(os.path.abspath(__file__))
PROTOCOLS = ("adl_cvpr19", "wsoleval_cvpr20")


def data_flagfile(value):
    """Path of what --data names: a file in `data/`, or one of the user's."""
    folder = os.path.join(FOLDER, "data")
    path = value
    if not value.endswith(".cfg"):
        path = os.path.join(folder, f"{value}.cfg")
    if not os.path.isfile(path):
        known = sorted(name.removesuffix(".cfg") for name in os.listdir(folder))
        raise UsageError(
            f"--data={value}: there is no flagfile {path}; {', '.join(known)} "
            "are here, and a file of your own ends in .cfg"
        )
    return path


@dataclasses.dataclass(frozen=True)
class TableRun:
    """A row of a table with a seed.

    Attributes:
        row: Name of the row's flagfile.
        data: Path of the data's flagfile.
        seed: Integer.
        runs_dir: Folder of the work directories of these data.
    """

    row: str
    data: str
    seed: int
    runs_dir: str

    @property
    def name(self):
        return f"{self.row}_s{self.seed}"

    @property
    def workdir(self):
        return os.path.join(self.runs_dir, self.name)

    @property
    def flagfiles(self):
        """Paths of the two flagfiles, from the working folder."""
        row = os.path.join(FOLDER, "rows", f"{self.row}.cfg")
        return tuple(map(os.path.relpath, (row, self.data)))

    @property
    def flags(self):
        """Dictionary of the flags in its flagfiles."""
        row, data = map(read_flags, self.flagfiles)
        return row | data

    @property
    def missing(self):
        """Path of the weight file that the run needs and lacks, or `None`."""
        weights = self.flags["weights"]
        needed = weights not in ("imagenet", "none")
        return weights if needed and not os.path.isfile(weights) else None

    @property
    def epochs_done(self):
        path = os.path.join(self.workdir, "timing.csv")
        if not os.path.isfile(path):
            return 0
        with open(path, newline="", encoding="utf-8") as file:
            return len(list(csv.DictReader(file)))

    @property
    def state(self):
        """`done`, `to score`, `epoch 3 of 12`, `not begun` or `needs FILE`."""
        epochs = int(self.flags["epochs"])
        if self.epochs_done >= epochs:
            folder = os.path.join(self.workdir, "evaluations")
            files = [
                os.path.join(folder, f"{protocol}-test.json")
                for protocol in PROTOCOLS
            ]
            return "done" if all(map(os.path.isfile, files)) else "to score"
        if self.epochs_done:
            return f"epoch {self.epochs_done} of {epochs}"
        return f"needs {self.missing}" if self.missing else "not begun"

    def do(self, flags, val_split):
        """Trains, from where it was, and scores; prints the commands.

        Args:
            flags: List of flags for adl_tf.train, beside the flagfiles'.
            val_split: Split that chooses a threshold, or `None`.

        Raises:
            DataError: If one of the commands failed.
        """
        workdir = f"--workdir={self.workdir}"
        if self.state not in ("to score", "done"):
            files = [f"--flagfile={path}" for path in self.flagfiles]
            _run("adl_tf.train", *files, f"--seed={self.seed}", *flags, workdir)
        chosen_on = [f"--val_split={val_split}"] if val_split else []
        for protocol in PROTOCOLS:
            scored = f"--protocol={protocol}"
            _run("adl_tf.evaluate", workdir, scored, *chosen_on)

    def check_flags(self, run):
        """Refuses a `Run` that was made with other flags than these.

        Raises:
            DataError: If one of the flags differs.
        """
        for name, value in self.flags.items():
            there = run.flags.get(name)
            # The path of weights differs from machine to machine.
            if name != "weights" and not _is_same(there, value):
                raise DataError(
                    f"{run.folder} was made with --{name}={there}, and "
                    f"{' and '.join(self.flagfiles)} have {value}: remove it, "
                    "and run the row again"
                )


def _is_same(text, other):
    try:
        return float(text) == float(other)
    except (TypeError, ValueError):
        return text == other


def _run(module, *flags):
    command = shlex.join(["python", "-m", module, *flags])
    print(f"\n== {command}", flush=True)
    if subprocess.run([sys.executable, "-m", module, *flags]).returncode:
        raise DataError(f"{module} failed")
