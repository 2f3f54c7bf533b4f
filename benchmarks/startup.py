"""How long until there is something to see?

    python -m benchmarks.startup --data_dir=CUB_200_2011 \\
        --flagfile=experiments/rows/mobilenet_v1_adl.cfg --classes=1-25 \\
        --weights=mobilenet_1_0_224_tf.h5

Claims: `import adl_tf` takes at most 1.05 times as long as `import keras`, and
so does `from adl_tf import ADLLayer`; `--help` of every
command is there within a second; and `adl_tf.train` is at the end of its first
step after 20 seconds on two cores, with pictures of CUB. All in processes of
their own, in turn.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError
from benchmarks.timing import Row, alternate, machine, print_rows, ratio

absl_flags.DEFINE_integer("rounds", 7, "How often each is timed.", 1)
absl_flags.DEFINE_integer("starts", 3, "How often training is started.", 0)

IMPORTS = {
    "import keras": "import keras",
    "import adl_tf": "import adl_tf",
    "from adl_tf import ADLLayer": "from adl_tf import ADLLayer",
}
COMMANDS = (
    *(f"adl_tf.{name}" for name in ("train", "evaluate", "export", "predict")),
    *(f"adl_tf.{name}" for name in ("report", "models", "datasets")),
    *("experiments.tables", "experiments.figures", "experiments.quickstart"),
)
IMPORT_LIMIT, HELP_LIMIT, STEP_LIMIT = 1.05, 1.0, 20.0
# The command, until its first step is done.
_FIRST_STEP = """
import os, sys
from adl_tf import command, flags, train

def main(values):
    load = command.load_tensorflow
    def loaded():
        load()
        from adl_tf.training import loop
        step = loop._run_step
        def first(*arguments):
            step(*arguments)
            os._exit(0)
        loop._run_step = first
    command.load_tensorflow = loaded
    train.main(values)

sys.argv[0] = "adl_tf.train"
command.run(main, "adl_tf.train", ("workdir", *flags.RUN_NAMES))
"""


def main(values):
    if values.starts and values.dataset == "cub" and not values.data_dir:
        raise UsageError("--dataset=cub needs --data_dir")
    print(machine())
    arguments = flags.as_flagfile(flags.settings(values)).splitlines()
    print_rows(rows(arguments, values.rounds, values.starts))


def rows(train_arguments=(), rounds=7, starts=3):
    """Rows of the table of targets.

    Args:
        train_arguments: Flags of `adl_tf.train`, without `--workdir`.
        rounds: How often imports and `--help` are timed.
        starts: How often training is started; 0 leaves it out.

    Yields:
        `Row`.
    """
    seconds = alternate(
        {
            name: lambda code=code: _run("-c", code)
            for name, code in IMPORTS.items()
        },
        rounds,
    )
    keras = statistics.median(seconds["import keras"])
    for name in list(IMPORTS)[1:]:
        times = ratio(seconds, name, "import keras")
        yield Row(
            name,
            "import keras",
            f"at most {IMPORT_LIMIT} times",
            f"{times:.3f} times ({statistics.median(seconds[name]):.2f} and "
            f"{keras:.2f} s)",
            times <= IMPORT_LIMIT,
        )
    seconds = alternate(
        {
            name: lambda name=name: _run("-m", name, "--help")
            for name in COMMANDS
        },
        rounds,
    )
    slowest = max(COMMANDS, key=lambda name: statistics.median(seconds[name]))
    longest = statistics.median(seconds[slowest])
    yield Row(
        "--help of the slowest command",
        "",
        f"under {HELP_LIMIT:.0f} s",
        f"{longest:.2f} s ({slowest})",
        longest < HELP_LIMIT,
    )
    if starts:
        taken = [_first_step(train_arguments) for _ in range(starts)]
        middle = statistics.median(taken)
        yield Row(
            "start of training to the end of the first step",
            "",
            f"under {STEP_LIMIT:.0f} s",
            f"{middle:.1f} s ({min(taken):.1f} to {max(taken):.1f})",
            middle < STEP_LIMIT,
        )


def _first_step(arguments):
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        _run("-c", _FIRST_STEP, *arguments, f"--workdir={folder}/run")
        return time.perf_counter() - started


def _run(*arguments):
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )


if __name__ == "__main__":
    command.run(
        main,
        "benchmarks.startup",
        ("rounds", "starts", *flags.RUN_NAMES),
    )
