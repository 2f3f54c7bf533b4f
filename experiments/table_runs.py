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

from adl_tf.workdir.evaluations import FOLDER as FOLDER_OF_EVALUATIONS
from experiments.estimates import relative_cost, seconds_per_image
from experiments.measured import read_flags
from experiments.paper import backbone_of

FOLDER = os.path.dirname(os.path.abspath(__file__))
PROTOCOL = "adl_cvpr19"
_TRAINING_IMAGES = {
    "cub10": 300,
    "cub25": 750,
    "cub": 5994,
    "ilsvrc": 1281167,
    "synthetic": 2000,
}
DATA = tuple(_TRAINING_IMAGES)


@dataclasses.dataclass(frozen=True)
class TableRun:
    """A row of a table with a seed.

    Attributes:
        name: Name of the row's flagfile.
        data: Name of the data's flagfile.
        seed: Integer.
        workdir: Its work directory.
    """

    name: str
    data: str
    seed: int
    workdir: str

    @property
    def flagfiles(self):
        """Paths of the two flagfiles, from the working folder if within."""
        return tuple(
            os.path.relpath(os.path.join(FOLDER, kind, f"{name}.cfg"))
            for kind, name in (("rows", self.name), ("data", self.data))
        )

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
        return len(self._timing())

    @property
    def is_trained(self):
        return self.epochs_done >= int(self.flags["epochs"])

    @property
    def is_done(self):
        """Whether it is trained, and scored as the tables are."""
        scored = os.path.join(self.workdir, FOLDER_OF_EVALUATIONS, PROTOCOL)
        return self.is_trained and all(
            os.path.isfile(f"{scored}-test.{ending}")
            for ending in ("json", "npz")
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

    def seconds_left(self, others):
        """About how long training takes from where it is.

        Args:
            others: List of `TableRun`, whose times are the best guess if they
                are of the same network and data; otherwise it is what
                `estimates` says.

        Returns:
            Float.
        """
        flags = self.flags
        left = max(0, int(flags["epochs"]) - self.epochs_done)
        backbone, method = flags["backbone"], flags["method"]
        for other in (self, *others):
            alike = backbone_of(other.name) == backbone
            timing = other._timing() if alike else None
            if timing and other.data == self.data:
                cost = relative_cost(backbone, method) / relative_cost(
                    backbone, other.flags["method"]
                )
                return left * cost * float(timing[-1]["seconds"]) / len(timing)
        pixels = (int(flags["input_size"]) / 224) ** 2
        return (
            left
            * pixels
            * _TRAINING_IMAGES[self.data]
            * seconds_per_image(backbone, method)
        )

    def do(self, flags):
        """Trains, from where it was, and scores; prints the commands.

        Args:
            flags: List of flags for adl_tf.train, beside the flagfiles'.

        Returns:
            Whether all went well.
        """
        train = [f"--flagfile={path}" for path in self.flagfiles]
        workdir = f"--workdir={self.workdir}"
        return (
            self.is_trained
            or _run(
                "adl_tf.train", *train, f"--seed={self.seed}", *flags, workdir
            )
        ) and _run("adl_tf.evaluate", workdir, f"--protocol={PROTOCOL}")

    def _timing(self):
        path = os.path.join(self.workdir, "timing.csv")
        if not os.path.isfile(path):
            return []
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def _run(module, *flags):
    command = shlex.join(["python", "-m", module, *flags])
    print(f"\n== {command}", flush=True)
    return not subprocess.run([sys.executable, "-m", module, *flags]).returncode
