"""Trains a classifier that localises, from image labels alone.

    python -m adl_tf.train --flagfile=experiments/quickstart_adl.cfg

The work directory then holds flags.cfg, environment.json, history.csv,
checkpoints/ and logs/ (for TensorBoard). The same command again goes on from
the last checkpoint; SIGTERM and Ctrl-C save first (exit status 143 and 130).
"""

import os
import sys

from adl_tf import command, flags
from adl_tf.errors import UsageError


def main(values):
    if not values.workdir:
        raise UsageError("--workdir is needed: the folder to write to")
    from adl_tf.training.memory import keep_freed_memory

    keep_freed_memory()
    command.load_tensorflow()
    from adl_tf.training.cluster import WorkerLost
    from adl_tf.training.loop import train

    try:
        train(flags.settings(values))
    except WorkerLost as error:
        print(f"adl_tf.train: {error}", file=sys.stderr, flush=True)
        # TensorFlow cannot join a cluster twice in one process.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


if __name__ == "__main__":
    command.run(main, "adl_tf.train", ("workdir", *flags.RUN_NAMES))
