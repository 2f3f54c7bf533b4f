"""What a training left in its work directory."""

import csv
import os


def history_of(run):
    """Rows of history.csv, dictionaries of text, one an epoch."""
    with open(os.path.join(run.workdir, "history.csv")) as file:
        return list(csv.DictReader(file))


def losses_of(run):
    """The mean loss of each epoch."""
    return [float(row["loss"]) for row in history_of(run)]
