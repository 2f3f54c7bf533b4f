"""What does ADL cost a training step, and is a step as fast as PyTorch's?

    python -m benchmarks.training_step --backbones=mobilenet_v1 --batch_size=32

Claims: a step with ADL takes at most 1 % longer than without, and inference has
the same operations and parameters; a step as `adl_tf.train` does it is at least
as fast as the same network's in PyTorch, channels last, on as many threads, in
a process of its own; and a class activation map costs at most 1 % of the
forward pass whose features it is made of. Random weights and images: time is
the same. ADL's layers are timed alone, too, forward and backward, because 1 %
of a step is less than two steps differ.
"""

import dataclasses
import os

import numpy as np
from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.training.memory import keep_freed_memory
from benchmarks.timing import Row, alternate, machine, print_rows, ratio

absl_flags.DEFINE_list(
    "backbones", ["vgg_gap", "resnet50", "mobilenet_v1"], "Networks to time."
)
absl_flags.DEFINE_integer("rounds", 9, "How often each is timed.", 1)

CLASSES = 200
PASSES = 10


def main(values):
    keep_freed_memory()  # as adl_tf.train does
    command.load_tensorflow()
    settings = flags.settings(values)
    print(f"{machine()}; batches of {settings.batch_size}")
    shape = (settings.batch_size, settings.input_size, settings.input_size, 3)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, shape, np.uint8)
    labels = generator.integers(0, CLASSES, shape[0]).astype(np.int32)
    for backbone in values.backbones:
        print_rows(_time(settings, backbone, images, labels, values.rounds))


def _time(settings, backbone, images, labels, rounds):
    """Rows of the table of targets for one network."""
    import tensorflow as tf

    from adl_tf.layers.adl import ADLLayer
    from benchmarks.torch_networks import StepsApart

    plain, adl = (
        _trainer(settings, backbone, method) for method in ("cam", "adl")
    )
    batch = tf.constant(images), tf.constant(labels)

    def step(trainer):
        loss, right = trainer.step(batch)
        return float(loss), int(right)

    alone = [
        _alone(layer, len(images))
        for layer in adl.model.layers
        if isinstance(layer, ADLLayer)
    ]
    network = backbone, images, labels, CLASSES
    seconds = alternate(
        {
            "without ADL": lambda: step(plain),
            "with ADL": lambda: step(adl),
            "PyTorch": StepsApart(False, *network),
            "PyTorch, our allocator": StepsApart(True, *network),
            # Several times: once is too short to time.
            "layers": lambda: [run() for run in alone * PASSES],
        }
        | _maps(plain.model, batch),
        rounds,
    )
    for name, times in seconds.items():
        name = name if name != "layers" else f"{PASSES} times its layers"
        print(f"  {backbone}, {name:22} {1000 * np.median(times):8.1f} ms")
    yield from _timed_rows(backbone, seconds)
    yield _inference_row(backbone, adl.objective.model, plain.objective.model)


def _timed_rows(backbone, seconds):
    more = 100 * (ratio(seconds, "with ADL", "without ADL") - 1)
    layers = 100 / PASSES * ratio(seconds, "layers", "without ADL")
    yield Row(
        f"ADL in a training step, {backbone}",
        "without",
        "at most 1 % slower",
        f"{layers:.2f} % (whole steps: {more:+.1f} %)",
        layers <= 1,
    )
    speed, even_speed = (
        ratio(seconds, name, "with ADL")
        for name in ("PyTorch", "PyTorch, our allocator")
    )
    yield Row(
        f"training step, {backbone} with ADL",
        "PyTorch, channels last",
        "at least as fast",
        f"{speed:.2f} times as fast ({even_speed:.2f} where PyTorch's "
        "allocator is set as ours)",
        speed >= 1,
    )
    share = 100 * ratio(seconds, "map", "forward pass")
    yield Row(
        f"class activation map from features, {backbone}",
        "forward pass",
        "at most 1 %",
        f"{share:.2f} %",
        share <= 1,
    )


def _inference_row(backbone, *models):
    operations, parameters = (
        [count(model) for model in models]
        for count in (_operations, lambda model: model.count_params())
    )
    return Row(
        f"ADL in inference, {backbone}",
        "without",
        "no operation, no parameter",
        f"{operations[0]} and {operations[1]} operations, "
        f"{parameters[0]:,} and {parameters[1]:,} parameters",
        operations[0] == operations[1] and parameters[0] == parameters[1],
    )


def _trainer(settings, backbone, method):
    import tensorflow as tf

    from adl_tf.training.trainer import Trainer

    run = dataclasses.replace(
        settings,
        backbone=backbone,
        method=method,
        weights="none",
        num_classes=CLASSES,
        workdir=os.devnull,  # no checkpoint
    )
    return Trainer(run, 1000, tf.distribute.get_strategy())


def _alone(layer, batch_size):
    """Function that runs a layer forward and backward on random features."""
    import tensorflow as tf

    shape = (batch_size, *layer.input.shape[1:])
    generator = np.random.default_rng(0)
    features = tf.constant(generator.uniform(size=shape), tf.float32)
    gradient = tf.constant(generator.normal(size=shape), tf.float32)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(features)
            outputs = layer(features, training=True)
        return tape.gradient(outputs, features, gradient)

    return lambda: float(run()[0, 0, 0, 0])


def _operations(model):
    """Number of operations in the graph of inference."""
    import tensorflow as tf

    infer = tf.function(lambda images: model(images, training=False))
    shape = (None, *model.input_shape[1:])
    graph = infer.get_concrete_function(tf.TensorSpec(shape)).graph
    return len(graph.get_operations())


def _maps(model, batch):
    """Functions for features of a batch, and for maps of these features."""
    import tensorflow as tf

    from adl_tf.heatmaps.class_maps import (
        class_activation_maps,
        class_kernel,
        feature_model,
    )

    images, labels = batch
    network, kernel = feature_model(model), class_kernel(model)
    forward = tf.function(
        lambda images: network(tf.cast(images, "float32"), training=False)
    )
    _, features = forward(images)
    maps = tf.function(
        lambda features: class_activation_maps(features, kernel, labels)
    )
    return {
        "forward pass": lambda: forward(images)[0].numpy(),
        "map": lambda: maps(features).numpy(),
    }


if __name__ == "__main__":
    command.run(
        main,
        "benchmarks.training_step",
        ("backbones", "batch_size", "input_size", "rounds"),
    )
