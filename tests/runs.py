"""What a training left in its work directory."""

import csv
import dataclasses
import os

from adl_tf.flags import read_flagfile


def history_of(run):
    """Rows of history.csv, dictionaries of text, one an epoch."""
    with open(os.path.join(run.workdir, "history.csv")) as file:
        return list(csv.DictReader(file))


def losses_of(run):
    """The mean loss of each epoch."""
    return [float(row["loss"]) for row in history_of(run)]


def weights_of(run):
    """The weights of the newest checkpoint, as a list of arrays."""
    from adl_tf.workdir.trained import load_trained

    saved = read_flagfile(os.path.join(run.workdir, "flags.cfg"))
    model = load_trained(dataclasses.replace(saved, workdir=run.workdir))
    return model.get_weights()
