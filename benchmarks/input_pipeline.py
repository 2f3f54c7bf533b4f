"""How far is the input pipeline from the decoder, and from PyTorch's?

    python -m benchmarks.input_pipeline --dataset=cub --data_dir=CUB_200_2011

Everything runs in turn, on the same files and cores; PyTorch's workers are as
many processes as there are cores. Claims: epochs from memory crop, flip and
batch more images a second than bare `tf.io.decode_jpeg` decodes; epochs that
decode and warp too (first ones, and those of data sets that do not fit) are
ahead of a DataLoader with PIL. How far these are from bare decoding is printed.
"""

import functools
import itertools
import os
import statistics

from absl import flags as absl_flags

from adl_tf import command, flags
from benchmarks.timing import Row, alternate, machine, print_rows, ratio

absl_flags.DEFINE_integer("images", 3000, "Number of images in a round.")

BARE = "bare tf.io.decode_jpeg"
DECODING = "ours, decoding"
FROM_MEMORY = "ours, from memory"
TORCH = "PyTorch DataLoader with PIL"

# Batches taken before a round: those that are ready were made in the time of
# another.
SETTLING = 12


def main(values):
    command.load_tensorflow()
    import tensorflow as tf
    import torch

    from adl_tf.datasets.load import load_split

    settings = flags.settings(values)
    examples = load_split(settings, settings.train_split)
    steps = values.images // settings.batch_size
    count = steps * settings.batch_size
    ways = {
        name: _rounds_of(dataset)
        for name, dataset in _datasets(examples, settings).items()
    }
    candidates = {
        name: functools.partial(take, steps) for name, take in ways.items()
    }
    candidates[TORCH] = _torch_epoch(examples, count, settings)
    seconds = alternate(
        candidates, before=lambda name: name in ways and ways[name](SETTLING)
    )
    print(machine())
    print(
        f"TensorFlow {tf.__version__}, PyTorch {torch.__version__}; {count} "
        f"images, medians of {len(seconds[BARE])} rounds"
    )
    for name, times in seconds.items():
        print(
            f"{name:30s} {count / statistics.median(times):7.0f} images/s  "
            f"{100 * ratio(seconds, BARE, name):5.0f} % of bare decoding"
        )
    print_rows(_rows(seconds))


def _rows(seconds):
    for name, against, target in (
        (FROM_MEMORY, BARE, 0.9),
        (DECODING, BARE, 0.9),
        (DECODING, TORCH, 1),
    ):
        share = ratio(seconds, against, name)
        yield Row(
            f"input pipeline: {name}",
            against,
            f"at least {target} of its images a second",
            f"{share:.2f}",
            share >= target,
        )


def _datasets(examples, settings):
    """Dictionary from what is timed to an endless `tf.data.Dataset`."""
    from adl_tf.datasets import pipeline

    ours = functools.partial(
        pipeline.training_batches,
        examples,
        batch_size=settings.batch_size,
        resize_size=settings.resize_size,
        input_size=settings.input_size,
        seed=0,
    )
    images = pipeline.decode_all(
        examples, settings.resize_size, iter, memory_budget=2**62
    )
    return {
        BARE: _bare(examples, settings),
        "bare, exact cosine transform": _bare(
            examples, settings, dct_method="INTEGER_ACCURATE"
        ),
        DECODING: ours(),
        FROM_MEMORY: ours(images=images),
        "TensorFlow's operations": _plain(examples, settings),
    }


def _bare(examples, settings, **options):
    """Images that are decoded and thrown away."""
    import tensorflow as tf

    def example(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, **options)
        return tf.shape(image)

    return (
        tf.data.Dataset.from_tensor_slices(examples.paths)
        .repeat()
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(settings.batch_size)
        .prefetch(2)
    )


def _plain(examples, settings):
    """The same as ours of TensorFlow's own operations."""
    import tensorflow as tf

    size = (settings.input_size, settings.input_size, 3)

    def example(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.resize(image, [settings.resize_size] * 2)
        image = tf.image.random_crop(image, size)
        image = tf.image.random_flip_left_right(image)
        return tf.cast(tf.round(image), tf.uint8)

    return (
        tf.data.Dataset.from_tensor_slices(examples.paths)
        .shuffle(len(examples))
        .repeat()
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(settings.batch_size)
        .prefetch(2)
    )


def _rounds_of(dataset):
    """Function that takes a number of batches."""
    iterator = iter(dataset)

    def take(steps):
        for _ in range(steps):
            next(iterator)

    return take


def _torch_epoch(examples, count, settings):
    """Function that takes an epoch, as long as a round, of PyTorch's loader."""
    from benchmarks.pil_loader import loader

    batches = loader(
        list(itertools.islice(itertools.cycle(examples.paths), count)),
        settings.resize_size,
        settings.input_size,
        settings.batch_size,
        workers=os.cpu_count(),
    )

    def epoch():
        for _ in batches:
            pass

    return epoch


if __name__ == "__main__":
    command.run(
        main,
        "benchmarks.input_pipeline",
        (
            "dataset",
            "data_dir",
            "train_split",
            "resize_size",
            "input_size",
            "batch_size",
            "images",
        ),
    )
