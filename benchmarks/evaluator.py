"""Is the evaluator faster than the loop it replaces, and than the network?

    python -m adl_tf.evaluate --workdir=W --protocol=wsoleval_cvpr20 \\
        --output_dir=/tmp/scores --save_heatmaps=/tmp/heatmaps
    python -m benchmarks.evaluator --heatmaps=/tmp/heatmaps --workdir=W

Claims: boxes at 1,000 thresholds 10 times as fast as one contour search a
threshold, boxes of all contours 5 times, each on one core; 1.7 times that with
two threads on two cores, where the plain loop shows how much two threads gain
on this machine; and `adl_tf.evaluate`, from files to files and with every
metric, at 90 % of the images a second of the bare forward pass. Evaluation
takes weights as constants, which makes its own forward pass faster than that
of the model as it is; both are shown.
"""

import functools
import importlib.metadata
import pathlib
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError
from benchmarks.timing import Row, alternate, machine, print_rows, ratio

absl_flags.DEFINE_string("heatmaps", None, "Folder of heatmaps, as .npy.")
absl_flags.DEFINE_integer("count", 40, "Number of heatmaps in a round.")
absl_flags.DEFINE_integer("images", 320, "Number of images in a round.")

THRESHOLDS = np.arange(1000) / 1000
BARE = "bare forward pass"
CONSTANT = "with constant weights"
# Ours is so much faster that a round would be too short to time.
PASSES = 10


def main(values):
    if not values.heatmaps:
        raise UsageError("--heatmaps is needed")
    versions = (
        f"{name} {importlib.metadata.version(name)}"
        for name in ("numba", "opencv-python", "tensorflow")
    )
    print(f"{machine()}; {', '.join(versions)}")
    paths = sorted(pathlib.Path(values.heatmaps).rglob("*.npy"))
    # Spread over the classes.
    paths = paths[:: max(1, len(paths) // values.count)][: values.count]
    print_rows(_boxes([np.load(path) for path in paths]))
    if values.workdir:
        print_rows(_end_to_end(values))


def _boxes(heatmaps):
    import cv2

    from adl_tf.localization.boxes import boxes_at_thresholds

    cv2.setNumThreads(1)

    def loop(multi=False):
        return _loop(heatmaps, multi)

    def ours(multi=False):
        for heatmap in heatmaps * PASSES:
            boxes_at_thresholds(heatmap, THRESHOLDS, multi)

    def twice(function):
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: function(), range(2)))

    seconds = alternate(
        {
            "loop, largest": loop,
            "loop, largest, two threads": lambda: twice(loop),
            "ours, largest": ours,
            "ours, largest, two threads": lambda: twice(ours),
            "loop, all": lambda: loop(multi=True),
            "ours, all": lambda: ours(multi=True),
        }
    )
    print(f"boxes at 1,000 thresholds, {len(heatmaps)} heatmaps")
    for name, times in seconds.items():
        number = len(heatmaps) * (PASSES if name.startswith("ours") else 1)
        number *= 2 if name.endswith("two threads") else 1
        each = 1000 * np.median(times) / number
        print(f"  {name:28} {each:8.2f} ms a heatmap")
    for kind, target in (("largest", 10), ("all", 5)):
        gain = PASSES * ratio(seconds, f"loop, {kind}", f"ours, {kind}")
        yield Row(
            f"boxes at 1,000 thresholds, {kind}",
            "a contour search each",
            f"{target} times as fast",
            f"{gain:.1f} times as fast",
            gain >= target,
        )
    ours, loop = (
        2 * ratio(seconds, f"{name}, largest", f"{name}, largest, two threads")
        for name in ("ours", "loop")
    )
    yield Row(
        "these on two threads",
        "on one",
        "1.7 times as fast",
        f"{ours:.2f} times as fast (the loop: {loop:.2f})",
        ours >= 1.7,
    )


def _loop(heatmaps, multi):
    import cv2

    for heatmap in heatmaps:
        levels = (heatmap * 255).astype(np.uint8)
        most = int(levels.max())
        for threshold in THRESHOLDS:
            _, kept = cv2.threshold(
                levels, int(threshold * most), 255, cv2.THRESH_BINARY
            )
            contours = cv2.findContours(
                kept, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE
            )[-2]
            if multi:
                for contour in contours:
                    cv2.boundingRect(contour)
            elif contours:
                cv2.boundingRect(max(contours, key=cv2.contourArea))


def _end_to_end(values):
    command.load_tensorflow()
    from adl_tf.datasets.load import load_split
    from adl_tf.localization.protocols import PROTOCOLS
    from adl_tf.workdir.trained import load_trained

    settings = flags.settings(values)
    examples = load_split(settings, "test")
    chosen = np.linspace(0, len(examples) - 1, values.images).astype(int)
    examples = examples.take(chosen)
    seconds = alternate(_ways(load_trained(settings), examples, settings))
    print(f"{settings.backbone}, {len(examples)} images")
    for name, times in seconds.items():
        print(f"  {name:22} {len(examples) / np.median(times):6.1f} images/s")
    for name in PROTOCOLS:
        bare, constant = (
            ratio(seconds, against, name) for against in (BARE, CONSTANT)
        )
        yield Row(
            f"adl_tf.evaluate, {settings.backbone}, {name}",
            BARE,
            "at least 0.9 of its images a second",
            f"{bare:.2f} (with constant weights: {constant:.2f})",
            bare >= 0.9,
        )


def _ways(model, examples, settings):
    """Forward passes over the images, and whole evaluations of them."""
    import tensorflow as tf

    from adl_tf.datasets import pipeline
    from adl_tf.evaluation.network import keras_network
    from adl_tf.localization.protocols import PROTOCOLS

    network = keras_network(model)
    batches = list(
        pipeline.test_batches(
            examples,
            batch_size=settings.batch_size,
            input_size=settings.input_size,
            resize_size=settings.resize_size,
        )
    )

    @tf.function(reduce_retracing=True)
    def forward(images):
        return model(tf.cast(images, "float32"), training=False)

    def bare():
        for images, _ in batches:
            forward(images).numpy()

    def constant():
        for number, (images, _) in enumerate(batches):
            first = number * settings.batch_size
            labels = examples.labels[first : first + len(images)]
            network.localize(images, labels)[1].numpy()

    return {BARE: bare, CONSTANT: constant} | {
        protocol.name: functools.partial(
            _evaluate, network, examples, protocol, settings
        )
        for protocol in PROTOCOLS.values()
    }


def _evaluate(network, examples, protocol, settings):
    """From image files to the files of an evaluation."""
    from adl_tf.evaluation.network import evaluate
    from adl_tf.evaluation.scoring import Scoring
    from adl_tf.workdir.evaluations import write_results

    scoring = Scoring(
        examples, protocol, settings.input_size, settings.resize_size
    )
    answers = evaluate(network, scoring, settings.batch_size)
    metrics, records = scoring.result(answers)
    metrics = {"protocol": protocol.name, **metrics}
    with tempfile.TemporaryDirectory() as folder:
        write_results(folder, metrics, records, scoring.arrays(answers))


if __name__ == "__main__":
    command.run(
        main,
        "benchmarks.evaluator",
        ("heatmaps", "count", "workdir", "images"),
        from_workdir=True,
    )
