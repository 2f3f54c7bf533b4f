"""From paths to batches: one tf.data pipeline for every data set.

Which picture comes at which place, and how it is cropped and flipped, is a
function of the seed and of the place alone. So a run that goes on from step
1,000 sees what it would have seen, and nothing has to be saved for it.
"""

import contextlib
import re

import numpy as np
import tensorflow as tf

from adl_tf.errors import DataError

# Decoded pictures are kept in memory if they need no more than this.
CACHE_BYTES = 2 * 1024**3


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
    pictures=None,
):
    """Endless training batches: warp, random crop, random flip.

    Each picture comes once in every `len(examples)` places, in a new order
    each time.

    Args:
        examples: `Examples` to draw from.
        batch_size: Number of images in a step of the whole training.
        resize_size: Side in pixels to which pictures are warped.
        input_size: Side of the random crop in pixels.
        seed: Integer.
        first_step: Number of the first step to give.
        replicas: Number of replicas in the whole training, each of which
            takes one batch a step.
        pipeline: Number of this pipeline, of those that share each step.
        num_pipelines: How many they are.
        pictures: What `decode_all` returned, or `None` to decode each time.

    Returns:
        `tf.data.Dataset` of batches `(images, labels)`: uint8 `(batch_size /
        replicas, input_size, input_size, 3)` and int32 `(batch_size /
        replicas,)`.
    """
    count = len(examples)
    share = batch_size // num_pipelines
    with tf.device("CPU"):
        labels = tf.constant(examples.labels)
        source = tf.constant(examples.paths if pictures is None else pictures)

    def order(epoch):
        shuffled = tf.random.experimental.stateless_shuffle(
            tf.range(count), seed=[seed, epoch]
        )
        return tf.data.Dataset.from_tensor_slices(shuffled)

    def example(place, index):
        picture = source[index]
        if pictures is None:
            picture, _ = decode(picture, resize_size)
        picture = _crop_and_flip(picture, input_size, [seed, place])
        return picture, labels[index]

    first_place = first_step * batch_size
    places = tf.data.Dataset.range(first_place, tf.int64.max)
    indices = (
        tf.data.Dataset.range(first_place // count, tf.int64.max)
        .flat_map(order)
        .skip(first_place % count)
    )
    return (
        tf.data.Dataset.zip(places, indices)
        .batch(share, drop_remainder=True)
        .shard(num_pipelines, pipeline)
        .unbatch()
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size // replicas, drop_remainder=True)
        .prefetch(2)
    )


def test_batches(examples, *, batch_size, resize_size, input_size):
    """All pictures once, in order: warp and centre crop.

    Args:
        examples: `Examples` to go through.
        batch_size: Number of images in a batch; the last may be smaller.
        resize_size: Side in pixels to which pictures are warped.
        input_size: Side of the centre crop in pixels.

    Returns:
        `tf.data.Dataset` of batches `(images, sizes)`: uint8 `(batch,
        input_size, input_size, 3)` and the int32 `(batch, 2)` width and
        height of the files.
    """
    begin = (resize_size - input_size) // 2
    end = begin + input_size

    def example(path):
        picture, size = decode(path, resize_size)
        return picture[begin:end, begin:end], size

    return (
        tf.data.Dataset.from_tensor_slices(examples.paths)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size)
        .prefetch(2)
    )


def decode(path, resize_size):
    """Reads a picture and warps it to a square.

    Args:
        path: String tensor, a JPEG, PNG, GIF (first frame) or BMP file.
        resize_size: Side of the square in pixels.

    Returns:
        Tuple of the uint8 picture `(resize_size, resize_size, 3)` and the
        int32 `(2,)` width and height of the file.
    """
    picture = tf.io.decode_image(
        tf.io.read_file(path), channels=3, expand_animations=False
    )
    size = tf.gather(tf.shape(picture), [1, 0])
    picture = tf.image.resize(picture, (resize_size, resize_size))
    return tf.cast(tf.round(picture), tf.uint8), size


def decode_all(examples, resize_size, progress):
    """Decodes all pictures once, if they fit into memory.

    Args:
        examples: `Examples`.
        resize_size: Side in pixels to which pictures are warped.
        progress: Function that wraps an iterable and shows how far it is.

    Returns:
        uint8 array `(n, resize_size, resize_size, 3)`, or `None` if it would
        be larger than `CACHE_BYTES`.
    """
    shape = (len(examples), resize_size, resize_size, 3)
    if np.prod(shape, dtype=np.int64) > CACHE_BYTES:
        return None
    pictures = np.empty(shape, np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices(examples.paths).map(
        lambda path: decode(path, resize_size)[0],
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    for index, picture in enumerate(progress(dataset.as_numpy_iterator())):
        pictures[index] = picture
    return pictures


@contextlib.contextmanager
def bad_picture_named(examples):
    """Turns a failure to read pictures into the error that names one.

    Args:
        examples: `Examples` of the pipeline.

    Raises:
        DataError: In place of TensorFlow's error, if a picture is to blame.
    """
    try:
        yield
    except tf.errors.OpError:
        error = undecodable(examples)
        if error is None:
            raise
        raise error from None


def undecodable(examples, start=0):
    """The error that names the picture on which a pipeline stopped.

    Args:
        examples: `Examples` of the pipeline.
        start: Index of the picture to try first; all others follow.

    Returns:
        `DataError`, or `None` if every picture can be read.
    """
    for offset in range(len(examples)):
        path = examples.paths[(start + offset) % len(examples)]
        try:
            decode(path, 8)
        except tf.errors.OpError as error:
            return DataError(f"picture {path} cannot be read: {reason(error)}")
    return None


def reason(error):
    """What a TensorFlow error says, without the names of its operations.

    Args:
        error: `tf.errors.OpError`.

    Returns:
        Text of one line.
    """
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*?\]|name:\s*$", "", str(error.message))
    return " ".join(text.split())


def _crop_and_flip(picture, size, seed):
    room = tf.shape(picture)[0] - size + 1
    draws = tf.random.stateless_uniform((3,), seed)
    top, left = tf.unstack(
        tf.cast(draws[:2] * tf.cast(room, "float32"), "int32")
    )
    picture = picture[top : top + size, left : left + size]
    picture = tf.cond(draws[2] < 0.5, lambda: picture[:, ::-1], lambda: picture)
    return tf.ensure_shape(picture, (size, size, 3))
