"""Encoded images to pixels: one decoder for training, checks and exports."""

import functools
import re

import tensorflow as tf

from adl_tf.datasets.examples import read_bytes
from adl_tf.datasets.image_formats import FORMATS, NOT_AN_IMAGE, variant
from adl_tf.errors import DataError

# A PNG of some kilobytes may claim more pixels than any memory holds.
MAX_PIXELS = 100_000_000
# Bytes at the beginning of a file that describe the image.
_HEADER = 128
# Bytes of a JPEG among which Adobe's marker is looked for.
_MARKERS = 1 << 18
# Bytes of a pixel of a BMP that are red, green and blue.
_BMP_MASKS = b"\0\0\xff\0\0\xff\0\0\xff\0\0\0"
_NOT_DECODED = "a variant of its format that is not decoded"
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
        encoded = read_bytes(path, byte_range)
    except (OSError, ValueError) as error:  # ValueError: a bad path
        raise DataError(getattr(error, "strerror", "") or str(error)) from error
    try:
        return decode(encoded).numpy()
    except tf.errors.OpError as error:
        raise DataError(variant(encoded) or _reason(error)) from error
    except UnicodeDecodeError as error:  # TensorFlow quotes some bytes.
        raise DataError("it is damaged") from error


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
    # Padded with zeros: TensorFlow's error for a header that is too short
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
    shape = tf.io.extract_jpeg_shape(encoded)
    with _require_few_pixels(shape[:2]), _require_adobe(encoded, shape[2]):
        return tf.io.decode_jpeg(
            encoded, channels=3, dct_method="INTEGER_ACCURATE"
        )


def _require_adobe(encoded, channels):
    """Refuses CMYK without Adobe's marker, which TensorFlow takes as inverted.

    Only images of four channels are searched for the marker.
    """
    length = tf.where(channels == 4, _MARKERS, 0)
    beginning = tf.strings.substr(encoded, 0, length)
    has_marker = tf.strings.regex_full_match(beginning, r"\C*\x00\x0eAdobe\C*")
    return _require((channels < 4) | has_marker, _NOT_DECODED)


def _decode_png(encoded, header):
    with _require_few_pixels(_numbers(header, 16, tf.int32, "big")):
        return _decode_first_frame(encoded)


def _decode_gif(encoded, header):
    """The first frame, with the colours of pixels that are transparent."""
    sides = _numbers(header, 6, tf.uint16, "little")
    with _require_few_pixels(sides):
        # Of the block before the first frame, the byte that says that one
        # colour is transparent, for which TensorFlow has black.
        opaque = tf.strings.regex_replace(
            encoded,
            r"(!\C\x04)\C(\C\C\C\x00,)",
            "\\1\0\\2",
            replace_global=False,
        )
        image = _decode_first_frame(opaque)
    sides = tf.cast(sides, tf.int32)
    is_whole = tf.reduce_all(tf.shape(image)[:2] == sides[::-1])
    with _require(is_whole, _NOT_DECODED):
        return tf.identity(image)


def _decode_bmp(encoded, header):
    with _require_few_pixels(_numbers(header, 18, tf.int32, "little")):
        offset_and_size = _numbers(header, 10, tf.int32, "little")
        offset, header_size = tf.unstack(offset_and_size, 2)
        bits = tf.io.decode_raw(tf.strings.substr(header, 28, 2), tf.uint16)[0]
        compression = tf.strings.substr(header, 30, 4)
        masks = tf.strings.substr(header, 54, 12)
    plain = compression == b"\0\0\0\0"
    usual_masks = (compression == b"\3\0\0\0") & (masks == _BMP_MASKS)
    decoded = (
        (plain & ((bits == 8) | (bits == 24) | (bits == 32)))
        | (usual_masks & (bits == 32))
    ) & (header_size >= 40)
    with _require(decoded, _NOT_DECODED):
        return tf.cond(
            bits == 8,
            lambda: _decode_palette(encoded, offset, header_size),
            lambda: _decode_first_frame(encoded),
        )


def _decode_palette(encoded, offset, header_size):
    """A BMP with a palette, which TensorFlow would decode as grey."""
    begin = 14 + header_size
    length = tf.clip_by_value(offset - begin, 0, 1024)
    with _require(begin + length <= tf.strings.length(encoded), _NOT_DECODED):
        palette = tf.strings.substr(encoded, begin, length)
    colours = tf.io.decode_raw(palette, tf.uint8, fixed_length=1024)
    colours = tf.reshape(colours, (256, 4))[:, 2::-1]
    numbers = _decode_first_frame(encoded)
    return tf.gather(colours, tf.cast(numbers[..., 0], tf.int32))


def _decode_webp(encoded, header):
    """The type of the first chunk decides where the sides and alpha are."""
    kind = tf.strings.substr(header, 12, 4)
    numbers = tf.io.decode_raw(header, tf.uint8, fixed_length=_HEADER)
    numbers = tf.cast(tf.ensure_shape(numbers, (_HEADER,)), tf.int64)
    is_extended, is_lossless = kind == b"VP8X", kind == b"VP8L"
    flags = tf.where(is_extended, numbers[20], 0)
    has_alpha = tf.where(is_lossless, numbers[24], flags) & 0x10 > 0
    packed = _sum(numbers[21:25])
    sides_by_kind = [
        (is_extended, [1 + _sum(numbers[24:27]), 1 + _sum(numbers[27:30])]),
        (is_lossless, [1 + (packed & 0x3FFF), 1 + (packed // 2**14 & 0x3FFF)]),
    ]
    sides = [_sum(numbers[n : n + 2]) & 0x3FFF for n in (26, 28)]
    for is_kind, others in sides_by_kind:
        sides = tf.where(is_kind, others, sides)
    is_still = flags & 0x02 == 0
    with _require_few_pixels(sides), _require(is_still, _NOT_DECODED):
        return tf.cond(
            has_alpha,
            lambda: tf.io.decode_image(
                encoded, channels=4, expand_animations=False
            )[..., :3],
            lambda: _decode_first_frame(encoded),
        )


def _sum(numbers):
    """Little-endian integer of some bytes."""
    shifts = tf.range(8, 8 * numbers.shape[0] + 1, 8, tf.int64) - 8
    return tf.reduce_sum(tf.bitwise.left_shift(numbers, shifts))


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
    # Not tf.debugging.Assert, whose branches cost more than the check.
    check = tf.raw_ops.Assert(condition=condition, data=[message])
    return tf.control_dependencies([check])


_DECODERS = {
    "PNG": _decode_png,
    "GIF": _decode_gif,
    "BMP": _decode_bmp,
    "WebP": _decode_webp,
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
    """Message of a TensorFlow error, without the names of its operations."""
    text = str(error.message)
    for known in (NOT_AN_IMAGE, TOO_LARGE):
        if known in text:
            return known
    if "Unknown image file format" in text:
        return NOT_AN_IMAGE
    text = re.sub(r"\{\{.*?\}\}|\[Op:.*?\]|name:\s*$", "", text)
    return " ".join(text.split())
