"""The runs behind a table: which are done, and how the others get done.

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
from adl_tf.workdir.evaluations import FOLDER as EVALUATIONS
from experiments.records import read_flags

FOLDER = os.path.dirname(os.path.abspath(__file__))
PROTOCOLS = ("adl_cvpr19", "wsoleval_cvpr20")


@dataclasses.dataclass(frozen=True)
class Data:
    """What a table's rows are trained on.

    Attributes:
        name: Name of the data, by which files are called.
        flagfile: Path of its flagfile.
    """

    name: str
    flagfile: str

    @classmethod
    def of_flag(cls, value):
        """From --data: a name in `data/`, or a flagfile of the user's own.

        Raises:
            UsageError: If there is no such file.
        """
        path = value
        if not value.endswith(".cfg"):
            path = os.path.join(FOLDER, "data", f"{value}.cfg")
        if not os.path.isfile(path):
            known = sorted(
                name.removesuffix(".cfg")
                for name in os.listdir(os.path.join(FOLDER, "data"))
            )
            raise UsageError(
                f"--data={value}: there is no flagfile {path}; "
                f"{', '.join(known)} are here, and a file of your own ends in "
                ".cfg"
            )
        return cls(os.path.basename(path).removesuffix(".cfg"), path)

    @property
    def flags(self):
        return read_flags(self.flagfile)

    @property
    def description(self):
        """The comment at the head of the flagfile, in one line."""
        with open(self.flagfile, encoding="utf-8") as file:
            lines = [line[2:].strip() for line in file if line[:2] == "# "]
        return " ".join(lines)

    @property
    def val_split(self):
        """Split that chooses a threshold, or `None`: training reads no box.

        ImageNet's training images are without boxes.
        """
        return None if self.flags["dataset"] == "ilsvrc" else "train-val10"


@dataclasses.dataclass(frozen=True)
class TableRun:
    """A row of a table with a seed.

    Attributes:
        row: Name of the row's flagfile.
        data: `Data`.
        seed: Integer.
        runs_dir: Folder of the work directories.
    """

    row: str
    data: Data
    seed: int
    runs_dir: str

    @property
    def name(self):
        return f"{self.row}_s{self.seed}"

    @property
    def workdir(self):
        return os.path.join(self.runs_dir, self.data.name, self.name)

    @property
    def flagfiles(self):
        """Paths of the two flagfiles, from the working folder."""
        row = os.path.join(FOLDER, "rows", f"{self.row}.cfg")
        return tuple(map(os.path.relpath, (row, self.data.flagfile)))

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
    def is_trained(self):
        return self.epochs_done >= int(self.flags["epochs"])

    @property
    def is_done(self):
        """Whether it is trained, and scored under both protocols."""
        return self.is_trained and all(
            os.path.isfile(
                os.path.join(self.workdir, EVALUATIONS, f"{name}-test{ending}")
            )
            for name in PROTOCOLS
            for ending in (".json", ".npz")
        )

    def state(self):
        """`done`, `to score`, `epoch 3 of 12`, `not begun` or `needs FILE`."""
        if self.is_done:
            return "done"
        if self.is_trained:
            return "to score"
        if self.epochs_done:
            return f"epoch {self.epochs_done} of {self.flags['epochs']}"
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
        if not self.is_trained:
            files = [f"--flagfile={path}" for path in self.flagfiles]
            _run("adl_tf.train", *files, f"--seed={self.seed}", *flags, workdir)
        chosen_on = [f"--val_split={val_split}"] if val_split else []
        for protocol in PROTOCOLS:
            scored = f"--protocol={protocol}"
            _run("adl_tf.evaluate", workdir, scored, *chosen_on)

    def check_flags(self, run):
        """Refuses a run that was made with other flags than its flagfiles'.

        Args:
            run: `Run` of the row with this seed.

        Raises:
            DataError: If one of the flags differs.
        """
        for name, value in self.flags.items():
            there = run.flags.get(name)
            # Where weights were found is of the machine.
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
