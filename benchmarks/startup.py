"""How long until there is something to see?

    python -m benchmarks.startup --data_dir=CUB_200_2011 \\
        --flagfile=experiments/rows/mobilenet_v1_adl.cfg --classes=1-25 \\
        --weights=mobilenet_1_0_224_tf.h5

Claims: `import adl_tf` takes at most 1.05 times as long as `import keras`, and
so does `from adl_tf import ADLLayer`; `--help` of every
command is there within a second; and `adl_tf.train` is at the end of its first
step after 20 seconds on two cores, with images of CUB. All in processes of
their own, in turn.
"""

import json
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

absl_flags.DEFINE_integer("rounds", 7, "How often each is timed.", 0)
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
# The command, until its second step is done; says when the steps ended.
_TWO_STEPS = """
import os, sys, time
from adl_tf import command, flags, train

ends = []

def main(values):
    load = command.load_tensorflow
    def loaded():
        load()
        from adl_tf.training.trainer import Trainer
        step = Trainer.step
        def timed(*arguments):
            result = step(*arguments)
            float(result[0])
            ends.append(time.time())
            if len(ends) == 2:
                os.write(1, f"{ends}".encode())
                os._exit(0)
            return result
        Trainer.step = timed
    command.load_tensorflow = loaded
    train.main(values)

sys.argv[0] = "adl_tf.train"
command.run(main, "adl_tf.train", ("workdir", *flags.RUN_NAMES))
"""


def main(values):
    if values.starts and values.dataset == "cub" and not values.data_dir:
        raise UsageError("--dataset=cub needs --data_dir")
    print(machine())
    if values.rounds:
        print_rows(_imports(values.rounds))
        print_rows(_help(values.rounds))
    if values.starts:
        settings = flags.settings(values)
        print_rows([_start(settings, values.starts)])


def _imports(rounds):
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


def _help(rounds):
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


def _start(settings, starts):
    arguments = settings.as_flagfile().splitlines()
    first, second = zip(*(_two_steps(arguments) for _ in range(starts)))
    middle = statistics.median(first)
    return Row(
        "start of training to the end of the first step, "
        f"{settings.backbone} with {settings.method}",
        "",
        f"under {STEP_LIMIT:.0f} s",
        f"{middle:.1f} s ({min(first):.1f} to {max(first):.1f}); a step "
        f"later on {statistics.median(second):.1f} s",
        middle < STEP_LIMIT,
    )


def _two_steps(arguments):
    """Seconds from the start to the first step's end, and of the second."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.time()
        printed = _run("-c", _TWO_STEPS, *arguments, f"--workdir={folder}/run")
    first, second = json.loads(printed.splitlines()[-1])
    return first - started, second - first


def _run(*arguments):
    """What a process printed."""
    return subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        text=True,
    ).stdout


if __name__ == "__main__":
    command.run(
        main,
        "benchmarks.startup",
        ("rounds", "starts", *flags.RUN_NAMES),
    )
