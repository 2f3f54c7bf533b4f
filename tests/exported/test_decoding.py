"""Every kind of image, and every kind of damage, beside a good one."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from adl_tf.exported import decoding

SIDE = 16
RGB = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def smooth_image():
    rows, columns = np.mgrid[:SIDE, :SIDE] * 8
    return np.stack([rows, columns, 255 - rows], axis=2).astype(np.uint8)


def deep_png():
    """16 bits a channel, RGB, which Pillow does not write."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    rows = (RGB.astype(np.uint16) * 256 + 99).astype(">u2").tobytes()
    length = len(rows) // SIDE
    lines = [b"\0" + rows[n * length : (n + 1) * length] for n in range(SIDE)]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + chunk(b"IEND", b"")
    )


def with_alpha():
    alpha = np.full((SIDE, SIDE, 1), 7, np.uint8)
    return Image.fromarray(np.concatenate([RGB, alpha], axis=2), "RGBA")


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    return encoded(Image.fromarray(smooth_image()), "JPEG", exif=exif)


IMAGE = Image.fromarray(RGB)
GREY = IMAGE.convert("L")
PALETTE = IMAGE.quantize(200)
SMOOTH = Image.fromarray(smooth_image())
# Name: bytes, expected pixels, how much they may differ.
IMAGES = {
    "PNG": (encoded(IMAGE, "PNG"), RGB, 0),
    "PNG, alpha": (encoded(with_alpha(), "PNG"), RGB, 0),
    "PNG, 16 bit": (deep_png(), RGB, 0),
    "PNG, palette": (encoded(PALETTE, "PNG"), PALETTE.convert("RGB"), 0),
    "PNG, grey": (encoded(GREY, "PNG"), GREY.convert("RGB"), 0),
    "BMP": (encoded(IMAGE, "BMP"), RGB, 0),
    "GIF": (
        encoded(PALETTE, "GIF", save_all=True, append_images=[GREY]),
        PALETTE.convert("RGB"),
        0,
    ),
    "JPEG": (encoded(SMOOTH, "JPEG", quality=95), SMOOTH, 12),
    "JPEG, progressive": (
        encoded(SMOOTH, "JPEG", quality=95, progressive=True),
        SMOOTH,
        12,
    ),
    "JPEG, grey": (
        encoded(SMOOTH.convert("L"), "JPEG", quality=95),
        SMOOTH.convert("L").convert("RGB"),
        12,
    ),
    "JPEG, CMYK": (
        encoded(SMOOTH.convert("CMYK"), "JPEG", quality=95),
        SMOOTH,
        12,
    ),
    "JPEG, EXIF": (turned(), SMOOTH, 12),
}
JPEG = IMAGES["JPEG"][0]
PNG = IMAGES["PNG"][0]


def claiming(width, height):
    """A PNG whose head claims sides that its data do not have."""
    return PNG[:16] + struct.pack(">II", width, height) + PNG[24:]


DAMAGED = {
    "nothing": b"",
    "one byte": b"\xff",
    "text": b"not an image",
    "JPEG, head": JPEG[:20],
    "JPEG, half": JPEG[: len(JPEG) // 2],
    "JPEG, magic": b"\xff\xd8\xff",
    "PNG, magic": PNG[:4],
    "PNG, half": PNG[: len(PNG) // 2],
    "PNG, huge": claiming(20_000, 20_000),
    "PNG, beyond 32 bits": claiming(2**31 - 1, 2**31 - 1),
    "GIF, half": IMAGES["GIF"][0][:60],
    "BMP, head": IMAGES["BMP"][0][:20],
    "TIFF": encoded(IMAGE, "TIFF"),
}


@pytest.fixture(scope="module")
def decode():
    return tf.function(
        lambda image_bytes: decoding.decode_images(image_bytes, SIDE),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )


def test_kinds_of_images(decode):
    images, sizes = decode(tf.constant([p[0] for p in IMAGES.values()]))
    assert sizes.numpy().tolist() == [[SIDE, SIDE]] * len(IMAGES)
    for found, (name, case) in zip(images.numpy(), IMAGES.items()):
        difference = np.abs(found - np.asarray(case[1], np.float32))
        assert difference.max() <= case[2], name


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_touches_no_other_image(decode, name):
    images, sizes = decode(tf.constant([PNG, DAMAGED[name], PNG]))
    assert sizes.numpy().tolist() == [[SIDE] * 2, [0, 0], [SIDE] * 2]
    np.testing.assert_array_equal(images, [RGB, np.zeros_like(RGB), RGB])


def test_no_images(decode):
    images, sizes = decode(tf.constant([], tf.string))
    assert images.shape == (0, SIDE, SIDE, 3)
    assert sizes.shape == (0, 2)


def test_sizes_are_width_and_height(decode):
    small = encoded(Image.new("RGB", (1, 1), (10, 20, 30)), "JPEG")
    wide = encoded(Image.new("RGB", (40, 10)), "PNG")
    images, sizes = decode(tf.constant([small, wide]))
    assert sizes.numpy().tolist() == [[1, 1], [40, 10]]
    assert np.ptp(images[0].numpy(), axis=(0, 1)).max() == 0
