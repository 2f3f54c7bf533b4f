"""What a second replica brings: images a second, and time outside the step.

    python -m benchmarks.scaling --backbone=mobilenet_v1 --batch_size=16

Takes two GPUs where there are, and else two virtual devices of the CPU. Those
share its cores, so that the ratio can only show what the second replica costs.
--batch_size is that of each replica here. Both run in turn, in one process.
"""

import dataclasses
import os
import statistics
import time

import numpy as np
from absl import flags as absl_flags

from adl_tf import command, flags
from benchmarks.timing import alternate, machine

absl_flags.DEFINE_integer("steps", 10, "Number of steps timed together.", 1)
absl_flags.DEFINE_integer("rounds", 5, "How often they are timed.", 1)


def main(values):
    command.load_tensorflow()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")[:2]
    if len(gpus) == 2:
        tf.config.set_visible_devices(gpus, "GPU")
    else:
        tf.config.set_visible_devices([], "GPU")
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
    settings = dataclasses.replace(
        flags.settings(values),
        weights="none",
        num_classes=10,
        workdir=os.devnull,  # Nothing is saved.
    )
    runs = {
        name: Run(name, settings, values.steps)
        for name in ("one_device", "mirrored")
    }
    seconds = alternate(runs, values.rounds)
    kind = "GPUs" if len(gpus) == 2 else "virtual CPU devices"
    print(
        f"{machine()}; {kind}; {settings.backbone} with {settings.method}, "
        f"{settings.batch_size} images a replica"
    )
    for name, run in runs.items():
        speed = run.images / statistics.median(seconds[name])
        outside = statistics.median(run.outside[-values.rounds :])
        print(
            f"{run.replicas} replica(s): {speed:7.1f} images/s, "
            f"{100 * outside:4.1f} % of the time outside the step"
        )
    ratio = statistics.median(
        2 * one / two
        for one, two in zip(seconds["one_device"], seconds["mirrored"])
    )
    print(f"2 replicas are {ratio:.2f} times as fast as 1")


class Run:
    """Some steps of training, as `adl_tf.train` does them; a function.

    Args:
        name: Strategy.
        settings: `Settings`, with the batch size of a replica.
        steps: Number of steps of a call.
    """

    def __init__(self, name, settings, steps):
        from adl_tf.datasets import pipeline
        from adl_tf.datasets.examples import Examples
        from adl_tf.training.strategy import make_strategy
        from adl_tf.training.trainer import Trainer

        strategy = make_strategy(name)
        self.replicas = strategy.num_replicas_in_sync
        settings = dataclasses.replace(
            settings, batch_size=settings.batch_size * self.replicas
        )
        with strategy.scope():
            self.trainer = Trainer(settings, 1000, strategy)
        side = settings.resize_size
        images = np.random.default_rng(0).integers(
            0, 255, (64, side, side, 3), np.uint8
        )
        names = [str(number) for number in range(64)]
        examples = Examples(
            names, names, np.arange(64, dtype=np.int32) % 10, [], names[:10]
        )
        self.batches = iter(
            strategy.distribute_datasets_from_function(
                lambda _: pipeline.training_batches(
                    examples,
                    batch_size=settings.batch_size,
                    resize_size=side,
                    input_size=settings.input_size,
                    seed=0,
                    replicas=self.replicas,
                    images=images,
                )
            )
        )
        self.steps = steps
        self.images = steps * settings.batch_size
        self.outside = []

    def __call__(self):
        started, inside = time.perf_counter(), 0.0
        for _ in range(self.steps):
            batch = next(self.batches)
            before = time.perf_counter()
            loss, right = self.trainer.step(batch)
            # Reading them waits until the devices are done.
            float(loss), int(right)
            inside += time.perf_counter() - before
        self.outside.append(1 - inside / (time.perf_counter() - started))


if __name__ == "__main__":
    command.run(
        main,
        "benchmarks.scaling",
        (
            *("backbone", "method", "batch_size", "input_size", "resize_size"),
            *("mixed_precision", "steps", "rounds"),
        ),
    )
