"""Encoded images to pixels: one decoder for training, checks and exports."""

import functools
import re

import tensorflow as tf

from adl_tf.datasets.examples import read_bytes
from adl_tf.datasets.image_formats import FORMATS, NOT_AN_IMAGE
from adl_tf.errors import DataError

# A PNG of some kilobytes may claim more pixels than any memory holds.
MAX_PIXELS = 100_000_000
# Bytes at the beginning of a file that tell about the image.
_HEADER = 64
TOO_LARGE = f"it has more than {MAX_PIXELS:,} pixels"


def read_image(path, byte_range=None):
    """Reads and decodes an image.

    Args:
        path: File that holds it.
        byte_range: Its first byte there and number of bytes, or `None` for
            the whole file.

    Returns:
        uint8 array `(height, width, 3)`, RGB.

    Raises:
        DataError: If it cannot be read or decoded; the message says why, and
            does not name the file.
    """
    try:
        return decode(read_bytes(path, byte_range)).numpy()
    except OSError as error:
        raise DataError(error.strerror or str(error)) from error
    except tf.errors.OpError as error:
        raise DataError(_reason(error)) from error


def decode(encoded):
    """Decodes an image.

    JPEG goes through the exact cosine transform, so that levels are those of
    OpenCV and PIL: TensorFlow's default, the inexact one, saves little.

    Args:
        encoded: String tensor, a file in one of `FORMATS`; of several frames
            the first is decoded.

    Returns:
        uint8 tensor `(height, width, 3)`, RGB. Pixels are taken as they are
        stored: an orientation in EXIF is not applied, and transparency is
        dropped.

    Raises:
        tf.errors.OpError: If it cannot be decoded or has more than
            `MAX_PIXELS` pixels.
    """
    # By itself: where most images are JPEG, looking for others takes time.
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: _decode_jpeg(encoded),
        lambda: _decode_other(encoded),
    )
    return tf.ensure_shape(image, (None, None, 3))


def _decode_other(encoded):
    # Zeros behind it: TensorFlow's error for a header that is too short
    # quotes its bytes, and fails where they are not text.
    header = tf.strings.substr(encoded, 0, _HEADER) + b"\0" * _HEADER
    beginnings = [FORMATS[name][0] for name in _DECODERS]
    lengths = [len(beginning) for beginning in beginnings]
    begins = tf.strings.substr(header, [0] * len(lengths), lengths)
    number = tf.argmax(
        tf.concat([begins == beginnings, [True]], axis=0), output_type=tf.int32
    )
    branches = [
        functools.partial(decoder, encoded, header)
        for decoder in (*_DECODERS.values(), _refuse)
    ]
    return tf.switch_case(number, branches)


def _decode_jpeg(encoded):
    with _require_few_pixels(tf.io.extract_jpeg_shape(encoded)[:2]):
        return tf.io.decode_jpeg(
            encoded, channels=3, dct_method="INTEGER_ACCURATE"
        )


def _decode_png(encoded, header):
    with _require_few_pixels(_numbers(header, 16, tf.int32, "big")):
        return _decode_first_frame(encoded)


def _decode_gif(encoded, header):
    with _require_few_pixels(_numbers(header, 6, tf.uint16, "little")):
        return _decode_first_frame(encoded)


def _decode_bmp(encoded, header):
    with _require_few_pixels(_numbers(header, 18, tf.int32, "little")):
        return _decode_first_frame(encoded)


def _decode_first_frame(encoded, header=None):
    return tf.io.decode_image(encoded, channels=3, expand_animations=False)


def _refuse(encoded, header):
    with _require(False, NOT_AN_IMAGE):
        return tf.zeros((0, 0, 3), tf.uint8)


def _numbers(header, place, kind, byte_order):
    """Two numbers from the header of an image."""
    text = tf.strings.substr(header, place, 2 * kind.size)
    little_endian = byte_order == "little"
    return tf.io.decode_raw(text, kind, little_endian=little_endian)


def _require_few_pixels(sides):
    """Context in which an image of these sides is decoded, or refused.

    A BMP of negative height begins with its upper row.
    """
    pixels = tf.reduce_prod(tf.abs(tf.cast(sides, tf.int64)))
    return _require(pixels <= MAX_PIXELS, TOO_LARGE)


def _require(condition, message):
    """Context in which an image is decoded, if a condition holds."""
    # Not tf.debugging.Assert, whose branches cost more than the question.
    check = tf.raw_ops.Assert(condition=condition, data=[message])
    return tf.control_dependencies([check])


# The sides of a WebP are less than 2**14 by its format, and a bit more than
# `MAX_PIXELS` at most.
_DECODERS = {
    "PNG": _decode_png,
    "GIF": _decode_gif,
    "BMP": _decode_bmp,
    "WebP": _decode_first_frame,
}


def warp(image, side, rule="bilinear"):
    """Warps an image to a square, by one of the two ways that are published.

    Args:
        image: uint8 tensor `(height, width, 3)`, or a batch of them.
        side: Side of the square in pixels.
        rule: `"bilinear"` weights the four nearest pixels and cuts to whole
            levels, as the authors' code does (OpenCV's resize of floats).
            `"antialiased"` weights all pixels that one of the smaller image
            stands for, and rounds, as wsolevaluation does (PIL's resize, which
            rounds halfway as well: one in six values differs by one level).

    Returns:
        uint8 tensor `(side, side, 3)`, or a batch of them.
    """
    antialiased = rule == "antialiased"
    image = tf.image.resize(image, (side, side), antialias=antialiased)
    return tf.cast(tf.round(image) if antialiased else image, tf.uint8)


def _reason(error):
    """What a TensorFlow error says, without the names of its operations."""
    text = str(error.message)
    for known in (NOT_AN_IMAGE, TOO_LARGE):
        if known in text:
            return known
    if "Unknown image file format" in text:
        return NOT_AN_IMAGE
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*?\]|name:\s*$", "", text)
    return " ".join(text.split())
