"""Encoded images to batches, in a graph that no image can stop."""

import tensorflow as tf

from adl_tf.datasets.image_formats import BEGINNINGS
from adl_tf.datasets.pipeline import decode as decode_image

# A PNG of some kilobytes may claim more pixels than any memory holds.
MAX_PIXELS = 100_000_000


def decode_images(image_bytes, side):
    """Decodes images and warps them to squares.

    An image that cannot be decoded does not fail the others: a pipeline of
    one element, which may ignore errors, is made for each.

    Args:
        image_bytes: String tensor `(batch,)`: JPEG, PNG, GIF (the first
            frame), BMP, and WebP where the release of TensorFlow decodes it.
        side: Side of the squares in pixels.

    Returns:
        Tuple of the float32 images `(batch, side, side, 3)`, RGB in [0,
        255], and the int32 width and height of the images as given `(batch,
        2)`; zeros for one that cannot be decoded or has more than `MAX_PIXELS`
        pixels. Pixels are taken as they are stored: an orientation in EXIF is
        not applied, and transparency is dropped.
    """
    blank = (tf.zeros((side, side, 3)), tf.zeros((2,), tf.int32))

    def decode(encoded):
        pixels = claimed_pixels(encoded)
        fits = tf.debugging.Assert(
            (pixels >= 0) & (pixels <= MAX_PIXELS), [pixels]
        )
        with tf.control_dependencies([fits]):
            image = decode_image(encoded)
        return warp(image, side), tf.gather(tf.shape(image), [1, 0])

    def decode_or_blank(encoded):
        decoded = tf.data.Dataset.from_tensors(encoded).map(decode)
        instead = tf.data.Dataset.from_tensors(blank)
        first = decoded.ignore_errors().concatenate(instead).take(1)
        return first.get_single_element()

    # Graphs of tf.data and of decoders are for processors alone.
    with tf.device("CPU"):
        return tf.map_fn(
            decode_or_blank,
            image_bytes,
            fn_output_signature=(
                tf.TensorSpec((side, side, 3), tf.float32),
                tf.TensorSpec((2,), tf.int32),
            ),
        )


def warp(images, side):
    """Images as squares, rounded as in training, where they stay uint8.

    Args:
        images: Tensor `(height, width, 3)`, or a batch of them.
        side: Side of the squares in pixels.

    Returns:
        float32 tensor `(side, side, 3)`, or a batch of them.
    """
    return tf.round(tf.image.resize(images, (side, side)))


def claimed_pixels(encoded):
    """Width times height, as the head of an image says it.

    Nothing is decoded for it.

    Args:
        encoded: String tensor, an encoded image.

    Returns:
        int64 tensor: 0 for WebP, whose sides are less than 2**14 by its
        format; -1 for what is none of these.
    """

    def begins_as(name):
        beginning = BEGINNINGS[name]
        return tf.strings.substr(encoded, 0, len(beginning)) == beginning

    def sides(place, kind, little_endian):
        text = tf.strings.substr(encoded, place, 2 * kind.size)
        numbers = tf.io.decode_raw(text, kind, little_endian=little_endian)
        return tf.reduce_prod(tf.abs(tf.cast(numbers, tf.int64)))

    def jpeg():
        height_and_width = tf.io.extract_jpeg_shape(encoded)[:2]
        return tf.reduce_prod(tf.cast(height_and_width, tf.int64))

    return tf.case(
        [
            (begins_as("PNG"), lambda: sides(16, tf.int32, False)),
            (begins_as("GIF"), lambda: sides(6, tf.uint16, True)),
            (begins_as("BMP"), lambda: sides(18, tf.int32, True)),
            (begins_as("WebP"), lambda: tf.constant(0, tf.int64)),
            (begins_as("JPEG"), jpeg),
        ],
        default=lambda: tf.constant(-1, tf.int64),
    )
