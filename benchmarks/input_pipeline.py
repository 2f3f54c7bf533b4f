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

from absl import flags as absl_flags

from adl_tf import command, flags
from benchmarks.timing import Row, alternate, machine, print_rows, ratio

absl_flags.DEFINE_integer("images", 3000, "Number of pictures in a round.")

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

    from adl_tf.datasets import pipeline
    from adl_tf.datasets.load import load_examples
    from benchmarks.pil_loader import loader

    settings = flags.settings(values)
    side, size = settings.resize_size, settings.input_size
    examples = load_examples(
        settings.dataset, settings.data_dir, settings.train_split
    )
    steps = values.images // settings.batch_size
    count = steps * settings.batch_size
    # PyTorch's epochs are as long as rounds.
    paths = list(itertools.islice(itertools.cycle(examples.paths), count))

    def batches(pictures):
        return pipeline.training_batches(
            examples,
            batch_size=settings.batch_size,
            resize_size=side,
            input_size=size,
            seed=0,
            pictures=pictures,
        )

    def bare(**options):
        def example(path):
            picture = tf.io.decode_jpeg(
                tf.io.read_file(path), channels=3, **options
            )
            return tf.shape(picture)

        return (
            tf.data.Dataset.from_tensor_slices(examples.paths)
            .repeat()
            .map(example, num_parallel_calls=tf.data.AUTOTUNE)
            .batch(settings.batch_size)
            .prefetch(2)
        )

    def plain():
        """The same of TensorFlow's own operations."""

        def example(path):
            picture = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
            picture = tf.image.resize(picture, (side, side))
            picture = tf.image.random_crop(picture, (size, size, 3))
            picture = tf.image.random_flip_left_right(picture)
            return tf.cast(tf.round(picture), tf.uint8)

        return (
            tf.data.Dataset.from_tensor_slices(examples.paths)
            .shuffle(len(examples))
            .repeat()
            .map(example, num_parallel_calls=tf.data.AUTOTUNE)
            .batch(settings.batch_size)
            .prefetch(2)
        )

    def rounds_of(dataset):
        iterator = iter(dataset)

        def take(steps):
            for _ in range(steps):
                next(iterator)

        return take

    cache = pipeline.decode_all(examples, side, iter, 2**62)
    torch_loader = loader(
        paths,
        side,
        size,
        settings.batch_size,
        workers=os.cpu_count(),
    )

    def one_round_of_torch():
        for _ in torch_loader:
            pass

    ways = {
        BARE: rounds_of(bare()),
        "bare, exact cosine transform": rounds_of(
            bare(dct_method="INTEGER_ACCURATE")
        ),
        DECODING: rounds_of(batches(None)),
        FROM_MEMORY: rounds_of(batches(cache)),
        "TensorFlow's operations": rounds_of(plain()),
    }
    candidates = {
        name: functools.partial(take, steps) for name, take in ways.items()
    }
    candidates[TORCH] = one_round_of_torch
    seconds = alternate(
        candidates, before=lambda name: name in ways and ways[name](SETTLING)
    )
    print(machine())
    print(
        f"TensorFlow {tf.__version__}, PyTorch {torch.__version__}; {count} "
        f"pictures, medians of {len(seconds[BARE])} rounds"
    )
    for name in candidates:
        share = ratio(seconds, BARE, name)
        median = sorted(seconds[name])[len(seconds[name]) // 2]
        print(
            f"{name:30s} {count / median:7.0f} images/s  "
            f"{100 * share:5.0f} % of bare decoding"
        )
    for name, against, target in (
        (FROM_MEMORY, BARE, 0.9),
        (DECODING, BARE, 0.9),
        (DECODING, TORCH, 1),
    ):
        share = ratio(seconds, against, name)
        row = Row(
            f"input pipeline: {name}",
            against,
            f"at least {target} of its images a second",
            f"{share:.2f}",
            share >= target,
        )
        print_rows([row])


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
