"""Trains a classifier that localises, from image labels alone.

    python -m adl_tf.train --flagfile=experiments/quickstart_adl.cfg

The work directory then holds flags.cfg, environment.json, history.csv,
checkpoints/ and logs/ (for TensorBoard). The same command again goes on from
the last checkpoint.
"""

from adl_tf import command, flags
from adl_tf.errors import UsageError


def main(values):
    if not values.workdir:
        raise UsageError("--workdir is needed: the folder to write to")
    from adl_tf.training.memory import keep_freed_memory

    keep_freed_memory()
    command.load_tensorflow()
    from adl_tf.training.loop import train

    train(flags.settings(values))


if __name__ == "__main__":
    command.run(main, "adl_tf.train", ("workdir", *flags.RUN_NAMES))
