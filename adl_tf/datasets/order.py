"""Order of the training images, a function of the seed alone.

An order is a function from the number of an epoch to a `tf.data.Dataset` of
tuples: the index of an image, and its encoded bytes where these were read to
have the order.
"""

import numpy as np
import tensorflow as tf

# Files that are read at once where images come in the order of the files.
OPEN_FILES = 16


def any_order(count, seed):
    """Images in any order.

    Args:
        count: Number of images.
        seed: Integer.

    Returns:
        Function from an epoch to a dataset of `(index,)`.
    """

    def order(epoch):
        indices = _shuffled(count, seed, epoch)
        return tf.data.Dataset.from_tensor_slices((indices,))

    return order


def needs_windows(examples, memory_budget):
    """Whether images are to be read in the order of their files.

    Args:
        examples: `Examples`.
        memory_budget: Number of bytes, or `None` for any order in any case.

    Returns:
        Whether they are in files of many images that hold more than that.
    """
    return (
        memory_budget is not None
        and examples.byte_ranges is not None
        and examples.byte_ranges[:, 1].sum() > memory_budget
    )


def order_in_windows(examples, read, seed, memory_budget):
    """Files from beginning to end, in any order, shuffled in windows.

    A window holds as many images as fit, with the one that is read
    meanwhile.

    Args:
        examples: `Examples` with byte ranges.
        read: Function from an index to the encoded image, in a graph.
        seed: Integer.
        memory_budget: Number of bytes.

    Returns:
        Function from an epoch to a dataset of `(index, encoded)`.
    """
    files = np.unique(examples.paths, return_inverse=True)[1]
    sequence = np.lexsort((examples.byte_ranges[:, 0], files)).astype(np.int32)
    begins = np.searchsorted(files[sequence], np.arange(files.max() + 2))
    # One window is drawn from while the next is read.
    mean_length = examples.byte_ranges[:, 1].mean()
    window_size = max(1, int(memory_budget / 2 / mean_length))
    with tf.device("CPU"):
        sequence, begins = tf.constant(sequence), tf.constant(begins)

    def images_of(file):
        indices = sequence[begins[file] : begins[file + 1]]
        return tf.data.Dataset.from_tensor_slices(indices).map(
            lambda index: (index, read(index))
        )

    def order(epoch):
        return (
            tf.data.Dataset.from_tensor_slices(
                _shuffled(len(begins) - 1, seed, epoch)
            )
            .interleave(
                images_of,
                cycle_length=OPEN_FILES,
                num_parallel_calls=tf.data.AUTOTUNE,
                deterministic=True,
            )
            .batch(window_size)
            .prefetch(1)
            .enumerate()
            .flat_map(
                lambda number, window: _window(window, seed, epoch, number)
            )
        )

    return order


def _window(window, seed, epoch, number):
    """Dataset of the images of a window, shuffled."""
    indices, encoded = window
    seeds = tf.random.experimental.stateless_fold_in(
        [tf.cast(seed, tf.int64), epoch], number
    )
    turns = tf.random.experimental.stateless_shuffle(
        tf.range(tf.size(indices)), seeds
    )
    return tf.data.Dataset.from_tensor_slices(turns).map(
        lambda turn: (indices[turn], encoded[turn])
    )


def _shuffled(count, seed, epoch):
    return tf.random.experimental.stateless_shuffle(
        tf.range(count), seed=[seed, epoch]
    )
