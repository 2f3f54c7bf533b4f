"""How much of the speed of bare training steps does the loop leave?

    python -m benchmarks.training_loop
    python -m benchmarks.training_loop --against=FOLDER

Claim: `adl_tf.train` does at least 0.9 of the steps a second that the same step
does with one batch again and again, of which nothing is read. With steps of a
few milliseconds (`small_cnn`, batches of 8, drawn birds), where whatever the
loop does between them counts most. --against is another checkout, such as one
of an earlier commit, whose `adl_tf.train` is timed too. All run in turn, in
processes of their own.
"""

import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError
from adl_tf.training.memory import keep_freed_memory
from benchmarks.timing import Row, machine, print_rows

absl_flags.DEFINE_string(
    "against", None, "Another checkout, to compare its training with."
)
absl_flags.DEFINE_integer("rounds", 7, "How often each is timed.", 1)

ROOT = pathlib.Path(__file__).parents[1]
SHARE = 0.9
# 250 steps an epoch. The first is not counted: it builds the graph.
RUN = (
    *("--dataset=synthetic_birds", "--backbone=small_cnn", "--method=cam"),
    *("--weights=none", "--num_classes=10", "--batch_size=8"),
    *("--input_size=64", "--epochs=5"),
)
STEPS, REPEATS = 250, 4


def main(values):
    if values.against and not os.path.isdir(f"{values.against}/adl_tf"):
        raise UsageError(f"--against={values.against} holds no adl_tf")
    print(machine(), flush=True)
    candidates = {"bare": _bare, "loop": lambda: _loop(ROOT)}
    if values.against:
        candidates["against"] = lambda: _loop(values.against)
    speeds = {name: [] for name in candidates}
    for _ in range(values.rounds):
        for name, measure in candidates.items():
            speeds[name].append(measure())
    for name, each in speeds.items():
        print(
            f"  {name:8} {statistics.median(each):7.1f} steps a second "
            f"({min(each):.1f} to {max(each):.1f})"
        )
    if values.against:
        faster = _ratio(speeds["loop"], speeds["against"])
        print(f"  the loop is {faster:.3f} times as fast as --against")
    share = _ratio(speeds["loop"], speeds["bare"])
    print_rows(
        [
            Row(
                "training loop, small_cnn, batches of 8",
                "bare steps",
                f"at least {SHARE} of its steps a second",
                f"{share:.2f} ({statistics.median(speeds['loop']):.0f} steps a "
                "second)",
                share >= SHARE,
            )
        ]
    )


def _ratio(ours, others):
    return statistics.median(one / other for one, other in zip(ours, others))


def _loop(checkout):
    """Steps a second of `adl_tf.train`, the median over its epochs."""
    with tempfile.TemporaryDirectory() as folder:
        workdir = os.path.join(folder, "run")
        _run(checkout, "-m", "adl_tf.train", *RUN, f"--workdir={workdir}")
        with open(os.path.join(workdir, "timing.csv")) as file:
            rows = list(csv.DictReader(file))[1:]
    speeds = [float(row["images_per_second"]) for row in rows]
    return statistics.median(speeds) / 8


def _bare():
    code = "from benchmarks import training_loop; training_loop.bare()"
    # There is no checkpoint.
    workdir = f"--workdir={os.devnull}"
    return float(_run(ROOT, "-c", code, *RUN, workdir).splitlines()[-1])


def _run(checkout, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout


def bare():
    """Prints the steps a second of bare steps, in a process of its own."""
    sys.argv[0] = "bare"
    command.run(_bare_steps, "bare", ("workdir", *flags.RUN_NAMES))


def _bare_steps(values):
    keep_freed_memory()  # as adl_tf.train does
    command.load_tensorflow()
    import tensorflow as tf

    from adl_tf.training.strategy import make_strategy
    from adl_tf.training.trainer import Trainer

    settings = flags.settings(values)
    strategy = make_strategy(settings.strategy)
    with strategy.scope():
        trainer = Trainer(settings, STEPS, strategy)
    side, size = settings.input_size, settings.batch_size
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (size, side, side, 3), np.uint8)
    labels = np.arange(size, dtype=np.int32)
    batch = tf.constant(images), tf.constant(labels)
    speeds = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        for _ in range(STEPS):
            loss, _ = trainer.step(batch)
        float(loss)
        speeds.append(STEPS / (time.perf_counter() - started))
    print(statistics.median(speeds[1:]))


if __name__ == "__main__":
    command.run(main, "benchmarks.training_loop", ("against", "rounds"))
