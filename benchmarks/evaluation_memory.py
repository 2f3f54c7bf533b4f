"""How much memory does evaluating many images take beside few?

    python -m benchmarks.evaluation_memory

Claim: the peak memory of `adl_tf.evaluate` with 50,000 images is at most 1.1
times that with 500. Each is the command itself, in a process of its own: with a
network (`small_cnn`, 1000 classes, random weights) on images, and with
--heatmaps, without TensorFlow. Images and heatmaps are smooth noise, a
hundred of each, under as many names as there are images.
"""

import os
import subprocess
import sys
import tempfile

from absl import flags as absl_flags

from adl_tf import command
from benchmarks.timing import Row, machine, print_rows

absl_flags.DEFINE_integer("few", 500, "Number of images.", 1)
absl_flags.DEFINE_integer("many", 50_000, "Number of images.", 1)
absl_flags.DEFINE_string(
    "rules", "wsoleval_cvpr20", "Protocol: that with the most thresholds."
)

LIMIT = 1.1
SIDE = 224
CLASSES = 1000
DISTINCT = 100
# Linux counts the memory of whoever starts a program as the program's: a small
# process starts it.
_MEASURE = (
    "import resource, subprocess, sys;"
    "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def main(values):
    print(machine())
    print_rows(rows(values.few, values.many, values.rules))


def rows(few, many, rules):
    """Rows of the table of targets.

    Args:
        few: Number of images.
        many: Number of images.
        rules: Name of the protocol.

    Yields:
        `Row`.
    """
    for name, (less, more) in measure(few, many, rules).items():
        yield Row(
            f"peak memory of evaluating {many:,} images, {name}",
            f"{few:,} images",
            f"at most {LIMIT} times",
            f"{more / less:.2f} times ({more:.0f} and {less:.0f} MiB)",
            more <= LIMIT * less,
        )


def measure(few, many, rules):
    """Peak memory of the command.

    Args:
        few: Number of images.
        many: Number of images.
        rules: Name of the protocol.

    Returns:
        Dictionary from what was evaluated to the MiB with few and with many.
    """
    with tempfile.TemporaryDirectory() as folder:
        _draw(folder)
        workdir = os.path.join(folder, "run")
        options = [f"--protocol={rules}", f"--output_dir={folder}/scores"]
        _run(
            *("adl_tf.train", f"--workdir={workdir}", "--backbone=small_cnn"),
            *("--method=cam", "--weights=none", f"--num_classes={CLASSES}"),
            *("--epochs=0", f"--input_size={SIDE}", f"--resize_size={SIDE}"),
        )
        peaks = {"with a network": [], "heatmaps alone": []}
        for count in (few, many):
            data = os.path.join(folder, str(count))
            _describe(data, count)
            peaks["with a network"].append(
                _run(
                    *("adl_tf.evaluate", f"--workdir={workdir}", *options),
                    *("--dataset=metadata", f"--data_dir={data}"),
                )
            )
            peaks["heatmaps alone"].append(
                _run(
                    *("adl_tf.evaluate", f"--heatmaps={data}", *options),
                    *(f"--metadata={data}/metadata/test",),
                )
            )
    return peaks


def _run(module, *arguments):
    """MiB that a command took at most."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", _MEASURE),
            *(sys.executable, "-m", module, *arguments),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout) / 1024


def _draw(folder):
    import cv2
    import numpy as np

    from adl_tf.localization.heatmaps import to_heatmap

    random = np.random.default_rng(0)
    for number in range(DISTINCT):
        coarse = random.random((14, 14, 3), np.float32)
        path = os.path.join(folder, f"{number}.npy")
        np.save(path, to_heatmap(coarse[..., 0], SIDE, "bicubic"))
        image = cv2.resize(coarse, (SIDE, SIDE))
        image = (255 * image).astype(np.uint8)
        cv2.imwrite(os.path.join(folder, f"{number}.jpg"), image)


def _describe(data, count):
    """A data set of links to the images and heatmaps beside it."""
    import numpy as np

    random = np.random.default_rng(1)
    os.makedirs(os.path.join(data, "metadata", "test"))
    os.mkdir(os.path.join(data, "test"))
    lines = {"image_ids": [], "class_labels": [], "image_sizes": []}
    lines["localization"] = []
    for number in range(count):
        # As long as the names of ImageNet's files.
        name = f"test/ILSVRC2012_val_{number:08}.jpg"
        for ending in (".jpg", ".npy"):
            os.symlink(
                f"../../{number % DISTINCT}{ending}",
                os.path.join(data, name.replace(".jpg", ending)),
            )
        x0, y0 = random.integers(0, SIDE // 2, 2)
        x1, y1 = random.integers(SIDE // 2, SIDE, 2)
        lines["image_ids"].append(name)
        lines["class_labels"].append(f"{name},{number % CLASSES}")
        lines["image_sizes"].append(f"{name},{SIDE},{SIDE}")
        lines["localization"].append(f"{name},{x0},{y0},{x1},{y1}")
    for name, content in lines.items():
        path = os.path.join(data, "metadata", "test", f"{name}.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in content)


if __name__ == "__main__":
    command.run(main, "benchmarks.evaluation_memory", ("few", "many", "rules"))
