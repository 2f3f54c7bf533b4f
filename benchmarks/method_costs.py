"""What do methods cost? The first columns of the paper's Table 3.

    python -m benchmarks.method_costs

Measures parameters, multiply-accumulates and the time of a step, and writes
table3_cost.md and .json to --results_dir. No weights are read for it. Needs pip
install 'adl-tf[experiments]'.
"""

import dataclasses
import json
import math
import os
import statistics
import time

import numpy as np
from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.files import write_whole
from experiments.page import machine
from experiments.records import RESULTS
from experiments.scores import as_markdown

absl_flags.DEFINE_integer(
    "rounds",
    7,
    "Timed steps of each method; their median counts.",
    1,
)
absl_flags.DEFINE_string(
    "results_dir", None, "Folder to write to [experiments/results]."
)

NUM_CLASSES = 1000
# Values of --method as their authors write them.
_NAMES = {
    "cam": "CAM",
    "has": "HaS",
    "acol": "ACoL",
    "spg": "SPG",
    "adl": "ADL",
}
# Backbone, method, and the paper's parameters in MiB, parameter overhead and
# computation overhead in percent.
PAPER = (
    ("vgg_gap", "cam", 78, 0, 0),
    ("vgg_gap", "acol", 181, 132.05, 37.63),
    ("vgg_gap", "adl", 78, 0, 0),
    ("mobilenet_v1", "cam", 16, 0, 0),
    ("mobilenet_v1", "has", 16, 0, 0),
    ("mobilenet_v1", "adl", 16, 0, 0),
    ("resnet50_se", "cam", 107, 0, 0),
    ("resnet50_se", "adl", 107, 0, 0),
    ("inception_v3", "cam", 101, 0, 0),
    ("inception_v3", "spg", 146, 44.55, 30.05),
    ("inception_v3", "adl", 101, 0, 0),
)
NOTES = (
    "Parameters are the trainable ones at 1000 classes, in MiB of 4 bytes "
    "each; that is what the paper's column `Mb` holds.",
    "Multiply-accumulates are half of what TensorFlow's profiler counts for "
    "the convolutions and matrix products of the frozen inference graph, one "
    "image.",
    "The paper's parameter overheads are those of its rounded column: 181 / 78 "
    "and 146 / 101. From exact counts they would be 120.3 % for ACoL as "
    "released (172.0 MiB: the paper's 181 is one more convolution from 512 to "
    "512 channels) and 45.07 % for SPG.",
    "The paper does not say what its computation overheads count, nor at which "
    "size of the maps; ACoL's 37.63 % and SPG's 30.05 % do not follow from the "
    "released networks at any.",
    "The paper gives 0.003 % for ADL on ResNet50-SE and does not say of what. "
    "At inference the graph of ADL is CAM's, so the overhead is 0. In training "
    "ADL multiplies the values of its inputs once: the last column says how "
    "many, as a share of the forward multiply-accumulates.",
    "Since the graphs of CAM and ADL are the same at inference, the time "
    "overhead there is the error of the measurement.",
)


def main(values):
    command.require_extra("experiments", "pandas", "tabulate")
    from adl_tf.training.memory import keep_freed_memory

    keep_freed_memory()
    command.load_tensorflow()
    folder = values.results_dir or RESULTS
    print(write_table(flags.settings(values), values.rounds, folder))


def write_table(settings, rounds, folder):
    """Measures every row and writes the table.

    Args:
        settings: `Settings`.
        rounds: Number of timed steps of each method.
        folder: Folder for `table3_cost.md` and `table3_cost.json`.

    Returns:
        The table as text.
    """
    import tensorflow as tf

    from adl_tf.workdir.run import environment

    # The profiler warns of itself: it is of TensorFlow 1.
    tf.get_logger().setLevel("ERROR")
    measured = {}
    backbones = dict.fromkeys(row[0] for row in PAPER)
    for backbone in backbones:
        methods = [method for name, method, *_ in PAPER if name == backbone]
        rows = _measure(settings, backbone, methods, rounds)
        for method, row in rows.items():
            measured[backbone, method] = row
    result = {
        "environment": environment(),
        "batch_size": settings.batch_size,
        "input_size": settings.input_size,
        "rounds": rounds,
        "rows": [
            {
                "backbone": backbone,
                "method": method,
                "paper": dict(
                    zip(("mib", "parameter_overhead", "overhead"), published)
                ),
                "ours": measured[backbone, method],
            }
            for backbone, method, *published in PAPER
        ],
        "notes": NOTES,
    }
    text = page(result)
    path = os.path.join(folder, "table3_cost")
    os.makedirs(folder, exist_ok=True)
    write_whole(f"{path}.json", json.dumps(result, indent=1) + "\n")
    write_whole(f"{path}.md", text)
    return text


def multiply_accumulates(model, input_size):
    """Of one image at inference, counted by TensorFlow's profiler.

    Args:
        model: Keras model.
        input_size: Side of its input in pixels.

    Returns:
        Number of multiply-accumulates of convolutions and matrix products.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    graph = convert_variables_to_constants_v2(
        tf.function(
            lambda images: model(images, training=False)
        ).get_concrete_function(tf.TensorSpec((1, input_size, input_size, 3)))
    ).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(
        tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    )
    node = tf.compat.v1.profiler.profile(
        graph, cmd="op", options=options.with_empty_output().build()
    )
    # The answer is a chain: each kind of operation holds the next.
    operations = 0
    while node:
        if node.name in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
            operations += node.total_float_ops
            if node.children:
                operations -= node.children[0].total_float_ops
        node = node.children[0] if node.children else None
    return operations // 2


def _measure(settings, backbone, methods, rounds):
    """What each method costs on a backbone; CAM is the first of them."""
    import tensorflow as tf

    from adl_tf.heatmaps.class_maps import feature_model
    from adl_tf.layers.adl import ADLLayer
    from adl_tf.training.trainer import Trainer

    trainers, networks, infer = {}, {}, {}
    for method in methods:
        run = dataclasses.replace(
            settings,
            backbone=backbone,
            method=method,
            weights="none",
            num_classes=NUM_CLASSES,
            workdir=os.devnull,  # no checkpoint
        )
        trainers[method] = Trainer(run, 1000, tf.distribute.get_strategy())
        # What localisation takes: ACoL's logits alone need half of it.
        networks[method] = feature_model(trainers[method].objective.model)
        infer[method] = tf.function(
            lambda images, model=networks[method]: model(images, training=False)
        )
    times = _times(settings, backbone, trainers, infer, rounds)
    rows = {}
    for method, trainer in trainers.items():
        model = trainer.model
        trainable = sum(math.prod(w.shape) for w in model.trainable_weights)
        rows[method] = {
            "parameters": trainable,
            "mib": trainable * 4 / 2**20,
            "multiply_accumulates": multiply_accumulates(
                networks[method], settings.input_size
            ),
            "adl_values": sum(
                math.prod(layer.output.shape[1:])
                for layer in model.layers
                if isinstance(layer, ADLLayer)
            ),
            "training_seconds": times[method]["training"],
            "inference_seconds": times[method]["inference"],
        }
    for row in rows.values():
        row["overheads"] = overheads(row, rows["cam"])
    return rows


def overheads(row, cam):
    """What a method costs more than CAM, in percent.

    Times are compared within each round and not after: the machine is not
    as fast in one as in the next.

    Args:
        row: Dictionary of what was measured.
        cam: That of CAM on the same backbone.

    Returns:
        Dictionary of percentages.
    """

    def percent(ratio):
        return round(100 * (ratio - 1), 3)

    answer = {
        name: percent(row[name] / cam[name])
        for name in ("parameters", "multiply_accumulates")
    }
    for name in ("training", "inference"):
        pairs = zip(row[f"{name}_seconds"], cam[f"{name}_seconds"])
        answer[name] = percent(statistics.median(a / b for a, b in pairs))
    return answer


def _times(settings, backbone, trainers, infer, rounds):
    """Seconds of each step, the methods taking turns.

    Of processor time on a CPU, which other programs disturb less.
    """
    import tensorflow as tf
    from tqdm import tqdm

    gpus = tf.config.list_logical_devices("GPU")
    clock = time.perf_counter if gpus else time.process_time
    random = np.random.default_rng(0)
    shape = (settings.batch_size, settings.input_size, settings.input_size, 3)
    images = tf.constant(random.integers(0, 256, shape, np.uint8))
    labels = tf.constant(random.integers(0, NUM_CLASSES, shape[0]), tf.int32)
    floats = tf.cast(images, tf.float32)
    steps = {
        "training": lambda method: trainers[method].step((images, labels)),
        "inference": lambda method: infer[method](floats),
    }
    times = {method: {kind: [] for kind in steps} for method in trainers}
    # The first round traces the graphs, the second fills memory.
    for number in tqdm(range(rounds + 2), desc=backbone, disable=None):
        for kind, step in steps.items():
            for method in trainers:
                started = clock()
                tf.nest.map_structure(lambda t: t.numpy(), step(method))
                seconds = clock() - started
                if number > 1:
                    times[method][kind].append(round(seconds, 4))
    return times


def page(result):
    """The table, with the paper's figures in brackets.

    Args:
        result: What the JSON file holds.

    Returns:
        Text in Markdown.
    """
    import pandas as pd

    parts = [
        "# Table 3: cost",
        "The paper's figures are in brackets. Overheads are against CAM on the "
        "same backbone.",
        as_markdown(pd.DataFrame(map(_cells, result["rows"]))),
        f"Steps: median of {result['rounds']}, the methods of a backbone "
        "taking turns in one run, in brackets the least and the most, and the "
        "median of what each round cost more than CAM's; "
        f"batches of {result['batch_size']} images of "
        f"{result['input_size']}x{result['input_size']}, training in float32 "
        "with random weights. Without a GPU seconds are of processor time, "
        "over all cores. Other work may have run beside.",
        "\n".join(f"- {note}" for note in result["notes"]),
        machine(result["environment"]),
    ]
    return "\n\n".join(parts) + "\n"


def _cells(row):
    paper, ours = row["paper"], row["ours"]
    more = ours["overheads"]
    accumulates, values = ours["multiply_accumulates"], ours["adl_values"]
    share = 100 * values / accumulates
    return {
        "backbone": row["backbone"],
        "method": _NAMES[row["method"]],
        "parameters": f"{ours['parameters']:,}",
        "MiB": f"{ours['mib']:.2f} ({paper['mib']})",
        "parameter overhead": f"{more['parameters']:g} % "
        f"({paper['parameter_overhead']:g} %)",
        "multiply-accumulates": f"{accumulates / 1e9:.3f} G",
        "overhead": f"{more['multiply_accumulates']:g} % "
        f"({paper['overhead']:g} %)",
        "training step": _step(ours["training_seconds"], more["training"]),
        "inference step": _step(ours["inference_seconds"], more["inference"]),
        "values ADL multiplies": f"{values:,} ({share:.3f} %)"
        if values
        else "",
    }


def _step(seconds, overhead):
    """Median, range and overhead."""
    return (
        f"{statistics.median(seconds):.2f} s ({min(seconds):.2f}-"
        f"{max(seconds):.2f}), {overhead:+.1f} %"
    )


if __name__ == "__main__":
    # A step of VGG16 with more takes minutes on a CPU.
    absl_flags.FLAGS.set_default("batch_size", 4)
    command.run(
        main,
        "benchmarks.method_costs",
        ("rounds", "results_dir", "batch_size", "input_size"),
    )
