"""From encoded images to batches: one tf.data pipeline for every data set.

Which image comes at which position, and how it is cropped and flipped, is a
function of the seed and of the position alone. So a run that goes on from step
1,000 gets the same images as without the stop, and no state has to be saved.
"""

import contextlib
import math

import numpy as np
import tensorflow as tf

from adl_tf.datasets.decoding import decode, read_image, warp
from adl_tf.datasets.examples import read_bytes
from adl_tf.datasets.order import any_order, needs_windows, order_in_windows
from adl_tf.errors import DataError

# Of TensorFlow's tensors, in bytes.
ALIGNMENT = 64


def training_batches(
    examples,
    *,
    batch_size,
    resize_size,
    input_size,
    seed,
    first_step=0,
    replicas=1,
    pipeline=0,
    num_pipelines=1,
    images=None,
    memory_budget=None,
    warp_rule="bilinear",
):
    """Endless training batches: warp, random crop, random flip.

    Each image comes once in every `len(examples)` positions, in a new order
    each time: any order, unless files of many images hold more than
    `memory_budget`. These are read from their beginnings, in any order of the
    files, and shuffled in windows: as many images as fit, with the window
    that is read meanwhile.

    Args:
        examples: `Examples` to draw from.
        batch_size: Number of images in a step of the whole training.
        resize_size: Side in pixels to which images are warped.
        input_size: Side of the random crop in pixels.
        seed: Integer.
        first_step: Number of the first step to give.
        replicas: Number of replicas in the whole training, each of which
            takes one batch a step.
        pipeline: Number of this pipeline, of those that share each step.
        num_pipelines: How many they are.
        images: What `decode_all` returned, or `None` to decode each time.
        memory_budget: Number of bytes, or `None` for any order in any case.
        warp_rule: As `rule` of `decoding.warp`.

    Returns:
        `tf.data.Dataset` of batches `(images, labels)`: uint8 `(batch_size /
        replicas, input_size, input_size, 3)` and int32 `(batch_size /
        replicas,)`.
    """
    count = len(examples)
    share = batch_size // num_pipelines
    with tf.device("CPU"):
        labels = tf.constant(examples.labels)
    order, warped = _images(
        examples, resize_size, seed, images, memory_budget, warp_rule
    )

    def example(place, element):
        image = _crop_and_flip(warped(*element), input_size, [seed, place])
        return image, labels[element[0]]

    first_place = first_step * batch_size
    places = tf.data.Dataset.range(first_place, tf.int64.max)
    elements = (
        tf.data.Dataset.range(first_place // count, tf.int64.max)
        .flat_map(order)
        .skip(first_place % count)
    )
    return (
        tf.data.Dataset.zip(places, elements)
        .batch(share, drop_remainder=True)
        .shard(num_pipelines, pipeline)
        .unbatch()
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size // replicas, drop_remainder=True)
        .prefetch(2)
        .with_options(_as_written())
    )


def _as_written():
    """Options without TensorFlow's tuning and rewriting of pipelines.

    Tuning sleeps up to a minute between its rounds, and the end of an
    iterator waits until it wakes: training took that long to end. Rewriting
    copies the tensors that a pipeline holds: a gigabyte of images. Without
    them as many calls run side by side as there are cores.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options


def _images(examples, resize_size, seed, cache, memory_budget, warp_rule):
    """The order of images, and the function that warps an element of it."""
    if cache is not None:
        with tf.device("CPU"):
            cached = tf.convert_to_tensor(cache)
        return any_order(len(examples), seed), lambda index: cached[index]
    read = _reader(examples)

    def warped(index, encoded=None):
        encoded = read(index) if encoded is None else encoded
        return warp(decode(encoded), resize_size, warp_rule)

    if needs_windows(examples, memory_budget):
        return order_in_windows(examples, read, seed, memory_budget), warped
    return any_order(len(examples), seed), warped


def _reader(examples):
    """Function from the index of an image to its encoded bytes, in a graph."""
    with tf.device("CPU"):
        paths = tf.constant(examples.paths, tf.string)
        if examples.byte_ranges is None:
            return lambda index: tf.io.read_file(paths[index])
        byte_ranges = tf.constant(examples.byte_ranges, tf.int64)

    def read(index):
        encoded = tf.numpy_function(
            # Outside a graph the path comes as an array.
            lambda path, byte_range: read_bytes(
                np.asarray(path).item(), byte_range
            ),
            [paths[index], byte_ranges[index]],
            tf.string,
            stateful=False,
        )
        return tf.ensure_shape(encoded, ())

    return read


def test_batches(
    examples, *, batch_size, resize_size, input_size, warp_rule="bilinear"
):
    """All images once, in order: warp and centre crop.

    Args:
        examples: `Examples` to go through.
        batch_size: Number of images in a batch; the last may be smaller.
        resize_size: Side in pixels to which images are warped.
        input_size: Side of the centre crop in pixels.
        warp_rule: As `rule` of `decoding.warp`.

    Returns:
        `tf.data.Dataset` of batches `(images, sizes)`: uint8 `(batch,
        input_size, input_size, 3)` and the int32 `(batch, 2)` width and
        height of the files.
    """
    begin = (resize_size - input_size) // 2
    end = begin + input_size
    read = _reader(examples)

    def example(index):
        image = decode(read(index))
        size = tf.gather(tf.shape(image), [1, 0])
        image = warp(image, resize_size, warp_rule)
        return image[begin:end, begin:end], size

    return (
        tf.data.Dataset.range(len(examples))
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size)
        .prefetch(2)
        .with_options(_as_written())
    )


def decode_all(
    examples, resize_size, progress, memory_budget, warp_rule="bilinear"
):
    """Decodes all images once, if they fit into memory.

    Args:
        examples: `Examples`.
        resize_size: Side in pixels to which images are warped.
        progress: Function that wraps an iterable and shows how far it is.
        memory_budget: Number of bytes.
        warp_rule: As `rule` of `decoding.warp`.

    Returns:
        uint8 tensor `(n, resize_size, resize_size, 3)`, or `None` if it would
        be larger than `memory_budget`.
    """
    shape = (len(examples), resize_size, resize_size, 3)
    size = math.prod(shape)
    if size > memory_budget:
        return None
    # Where TensorFlow's tensors may begin: it takes the array as it is, and a
    # copy of a gigabyte would take as long as decoding.
    memory = np.empty(size + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    images = memory[begin : begin + size].reshape(shape)
    batches = test_batches(
        examples,
        batch_size=1,
        resize_size=resize_size,
        input_size=resize_size,
        warp_rule=warp_rule,
    ).map(lambda images, sizes: images[0])
    for index, image in enumerate(progress(batches.as_numpy_iterator())):
        images[index] = image
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


@contextlib.contextmanager
def bad_image_named(examples):
    """Turns a failure to read images into the error that names one.

    Args:
        examples: `Examples` of the pipeline.

    Raises:
        DataError: In place of TensorFlow's error, if an image is to blame.
    """
    try:
        yield
    except tf.errors.OpError:
        error = undecodable(examples)
        if error is None:
            raise
        raise error from None


def undecodable(examples, start=0):
    """The error that names the image on which a pipeline stopped.

    Args:
        examples: `Examples` of the pipeline.
        start: Index of the image to try first; all others follow.

    Returns:
        `DataError`, or `None` if every image can be read.
    """
    for offset in range(len(examples)):
        index = (start + offset) % len(examples)
        path, byte_range = examples.paths[index], None
        if examples.byte_ranges is not None:
            byte_range = examples.byte_ranges[index]
        try:
            read_image(path, byte_range)
        except DataError as error:
            if byte_range is not None:
                path = f"{examples.image_ids[index]} in {path}"
            return DataError(
                f"image {path} cannot be read: {error}; python -m "
                "adl_tf.datasets --check lists all such images"
            )
    return None


def _crop_and_flip(image, size, seed):
    room = tf.shape(image)[0] - size + 1
    draws = tf.random.stateless_uniform((3,), seed)
    top, left = tf.unstack(
        tf.cast(draws[:2] * tf.cast(room, "float32"), "int32")
    )
    image = image[top : top + size, left : left + size]
    # Not [:, ::-1], which takes longer than all else.
    image = tf.cond(
        draws[2] < 0.5, lambda: tf.reverse(image, [1]), lambda: image
    )
    return tf.ensure_shape(image, (size, size, 3))
