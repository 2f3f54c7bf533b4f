"""Records of each epoch: history.csv, timing.csv and TensorBoard."""

import csv
import io
import os

import tensorflow as tf

from adl_tf.errors import AdlTfError
from adl_tf.files import write_whole

# Columns that a run with the same seed repeats, and those that differ.
_TABLES = {
    "history.csv": ("epoch", "step", "loss", "accuracy", "learning_rate"),
    # input_wait: percent of the time in which training waited for images.
    "timing.csv": (
        "epoch",
        "step",
        "images_per_second",
        "input_wait",
        "seconds",
    ),
}


class History:
    """The rows of a work directory's epochs.

    Args:
        workdir: Work directory.
        step: Number of steps done. Rows of later ones are removed: their
            epochs come again.
    """

    def __init__(self, workdir, step):
        self.workdir = workdir
        self.tables = {
            name: _read(os.path.join(workdir, name), columns, step)
            for name, columns in _TABLES.items()
        }
        self.writer = None

    @property
    def seconds(self):
        """How long all epochs so far took."""
        rows = self.tables["timing.csv"]
        return float(rows[-1]["seconds"]) if rows else 0.0

    def add(self, row, images=None):
        """Writes the row of an epoch; before its checkpoint is saved.

        Args:
            row: Dictionary of numbers.
            images: uint8 array `(n, height, width, 3)` for TensorBoard, or
                `None`.

        Raises:
            AdlTfError: If the files cannot be written.
        """
        rounded = {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in row.items()
        }
        for name, columns in _TABLES.items():
            self.tables[name].append({key: rounded[key] for key in columns})
            write_whole(
                os.path.join(self.workdir, name),
                _as_text(self.tables[name], columns),
            )
        self._log(row, images)

    def _log(self, row, images):
        folder = os.path.join(self.workdir, "logs")
        try:
            if self.writer is None:
                self.writer = tf.summary.create_file_writer(folder)
            with self.writer.as_default(step=row["epoch"]):
                for name, value in row.items():
                    if name not in ("epoch", "step"):
                        tf.summary.scalar(name, value)
                if images is not None:
                    tf.summary.image(
                        "heatmaps", images, max_outputs=len(images)
                    )
            self.writer.flush()
        except tf.errors.OpError as error:
            reason = str(error.message).split("\n")[0].rpartition("; ")[2]
            raise AdlTfError(
                f"{folder} cannot be written: {reason}; mend that, and start "
                "the same command again"
            ) from error


def _read(path, columns, last_step):
    """Rows up to a step, without those that were cut off in writing."""
    if not os.path.isfile(path):
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: row[name] for name in columns}
        for row in rows
        if all(row.get(name) for name in columns)
        and int(row["step"]) <= last_step
    ]


def _as_text(rows, columns):
    text = io.StringIO()
    table = csv.DictWriter(text, columns)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
