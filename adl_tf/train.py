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
    settings = flags.settings(values)
    examples = _found(settings)
    command.load_tensorflow()
    from adl_tf.training.cluster import WorkerLost
    from adl_tf.training.loop import train

    try:
        train(settings, examples)
    except WorkerLost as error:
        print(f"adl_tf.train: {error}", file=sys.stderr, flush=True)
        # TensorFlow cannot join a cluster twice in one process.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _found(settings):
    """The training images; missing files are reported before a long wait."""
    from adl_tf.models.variants import require_file
    from adl_tf.training.split import training_examples
    from adl_tf.workdir import checkpoints

    is_file = settings.weights not in ("imagenet", "none")
    if is_file and not checkpoints.has_any(settings.workdir):
        require_file(settings.weights)
    command.load_reader(settings.dataset)
    return training_examples(settings)


def _typed(values):
    """`main` for a typed command line; programs may name every flag."""
    flags.refuse_other_methods(values, command.typed_flags(sys.argv))
    main(values)


if __name__ == "__main__":
    command.run(_typed, "adl_tf.train", ("workdir", *flags.RUN_NAMES))
