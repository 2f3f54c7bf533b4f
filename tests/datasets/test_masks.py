"""Masks of every kind of PNG: which pixels count, computed from the values."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from adl_tf.datasets.examples import Mask
from adl_tf.datasets.masks import read_mask, union
from adl_tf.errors import DataError

# Pixels of an object with the identity 1: the smallest that may be stored.
OBJECT = np.zeros((6, 9), bool)
OBJECT[1:4, 2:7] = True


def chunk(name, data):
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + check


def png(values, depth, colour, extra=b""):
    """A PNG file, written by the standard's text and by no library.

    Args:
        values: int array `(height, width)` or `(height, width, channels)`.
        depth: Bits a value.
        colour: 0 grey, 2 colours, 3 palette, 4 grey with alpha, 6 colours
            with alpha.
        extra: Further chunks, encoded.
    """
    rows = np.reshape(values, (len(values), -1)).astype(np.uint64)
    bits = (rows[..., None] >> np.arange(depth, dtype=np.uint64)[::-1]) & 1
    packed = np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1)
    height, width = np.shape(values)[:2]
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(
            b"IHDR",
            struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0),
        )
        + extra
        + chunk(
            b"IDAT",
            zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed)),
        )
        + chunk(b"IEND", b"")
    )


def channels(*values):
    """Channels that are a pair each: of the ground, and of the object."""
    return np.stack([np.where(OBJECT, b, a) for a, b in values], axis=2)


def palette(*colours):
    return chunk(b"PLTE", bytes(sum(colours, ())))


IDS = OBJECT.astype(int)
BLACK, WHITE, DARK = (0, 0, 0), (255, 255, 255), (1, 0, 0)
VARIANTS = {
    "1 bit": png(IDS, 1, 0),
    "2 bits": png(IDS, 2, 0),
    "4 bits": png(IDS * 15, 4, 0),
    "8 bits": png(IDS, 8, 0),
    # The high byte of a small number is 0.
    "16 bits": png(IDS, 16, 0),
    "16 bits, large": png(IDS * 65535, 16, 0),
    "palette": png(IDS, 8, 3, palette(BLACK, WHITE)),
    "palette of 1 bit": png(IDS, 1, 3, palette(BLACK, WHITE)),
    "palette of 4 bits": png(IDS, 4, 3, palette(BLACK, DARK, WHITE)),
    "palette whose object is black": png(IDS, 8, 3, palette(BLACK, BLACK)),
    "palette whose ground is white": png(IDS, 8, 3, palette(WHITE, DARK)),
    "palette with a transparent ground": png(
        IDS, 8, 3, palette(WHITE, DARK) + chunk(b"tRNS", b"\0")
    ),
    # Grey made of these is 0 after rounding.
    "colours, dark red": png(channels((0, 1), (0, 0), (0, 0)), 8, 2),
    "colours, dark green": png(channels((0, 0), (0, 1), (0, 0)), 8, 2),
    "colours, dark blue": png(channels((0, 0), (0, 0), (0, 1)), 8, 2),
    "colours of 16 bits": png(channels((0, 0), (0, 0), (0, 1)), 16, 2),
    "a colour that is transparent": png(
        channels((9, 9), (8, 8), (7, 1)),
        8,
        2,
        chunk(b"tRNS", struct.pack(">HHH", 9, 8, 7)),
    ),
    "a colour of 16 bits that is transparent": png(
        channels((9, 9), (8, 8), (7, 1)),
        16,
        2,
        chunk(b"tRNS", struct.pack(">HHH", 9, 8, 7)),
    ),
    "a grey that is transparent": png(
        IDS + 6, 8, 0, chunk(b"tRNS", struct.pack(">H", 6))
    ),
    "a grey of 16 bits that is transparent": png(
        IDS + 600, 16, 0, chunk(b"tRNS", struct.pack(">H", 600))
    ),
    "alpha that says nothing": png(channels((0, 1), (255, 255)), 8, 4),
    "white on transparent white": png(
        channels((255, 255), (255, 255), (255, 255), (0, 255)), 8, 6
    ),
    "black on transparent": png(
        channels((0, 0), (0, 0), (0, 0), (0, 255)), 8, 6
    ),
    "hardly visible": png(channels((5, 5), (0, 1)), 8, 4),
    "colours and alpha of 16 bits": png(
        channels((0, 0), (0, 1), (0, 0), (65535, 65535)), 16, 6
    ),
    "grey and alpha of 16 bits": png(channels((7, 7), (0, 1)), 16, 4),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_values_above_0_are_the_object(tmp_path, name):
    path = str(tmp_path / "mask.png")
    with open(path, "wb") as file:
        file.write(VARIANTS[name])
    with Image.open(path) as image:  # it is a PNG file to others, too
        image.load()
    np.testing.assert_array_equal(read_mask(path), OBJECT)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp(tmp_path, mode):
    path = str(tmp_path / "mask.bmp")
    pixels = Image.fromarray(OBJECT).convert("RGB")
    pixels.convert(mode).save(path)
    if mode == "P":
        ids = Image.fromarray(OBJECT.astype(np.uint8), "L")
        ids.putpalette([0, 0, 0, 9, 0, 0])
        ids.save(path)
    np.testing.assert_array_equal(read_mask(path), OBJECT)


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".gif"])
def test_formats_that_do_not_keep_values_are_refused(tmp_path, ending):
    path = str(tmp_path / f"mask{ending}")
    Image.fromarray(OBJECT).convert("L").save(path)
    with pytest.raises(DataError, match="none of PNG and BMP, which keep"):
        read_mask(path)


@pytest.mark.parametrize("levels", [(1, 1), (3, 3), (128, 255), (2, 300)])
@pytest.mark.parametrize("depth", [8, 16])
def test_levels(tmp_path, levels, depth):
    path = str(tmp_path / "mask.png")
    values = np.arange(54).reshape(6, 9) * (5 if depth == 8 else 50)
    with open(path, "wb") as file:
        file.write(b"..." + png(values, depth, 0) + b"...")
    size = os.path.getsize(path)
    found = read_mask(Mask(path, (3, size - 6), levels))
    expected = (values >= levels[0]) & (values <= levels[1])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kept", [0, 0.1, 0.4, 0.7, 0.85])
@pytest.mark.parametrize("name", ["8 bits", "16 bits", "palette"])
def test_a_damaged_mask_is_named(tmp_path, kept, name):
    path = tmp_path / "mask.png"
    content = VARIANTS[name]
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match="mask .*mask.png cannot be read: "):
        read_mask(str(path))


@pytest.mark.parametrize("name", ["8 bits", "16 bits", "palette"])
def test_a_flipped_bit_is_found(tmp_path, name):
    path = tmp_path / "mask.png"
    for place in range(41, len(VARIANTS[name]) - 12):
        content = bytearray(VARIANTS[name])
        content[place] ^= 4
        path.write_bytes(content)
        with pytest.raises(DataError, match="mask.png cannot be read: "):
            read_mask(str(path))


def test_only_regular_files_are_masks(tmp_path):
    path = str(tmp_path / "mask.png")
    with pytest.raises(DataError, match="mask.png is missing"):
        read_mask(path)
    os.mkfifo(path)
    with pytest.raises(DataError, match="mask.png cannot be read: it is not a"):
        read_mask(path)


def test_masks_of_different_sizes_are_stretched_to_the_largest():
    small, large = np.zeros((2, 2), bool), np.zeros((4, 6), bool)
    small[0, 0] = large[3, 5] = True
    expected = large.copy()
    expected[:2, :3] = True
    np.testing.assert_array_equal(union([small, large]), expected)


def test_opencv_alone_would_lose_objects(tmp_path):
    # Why it is not asked: the variants above are not all the same to it.
    lost = []
    for name, content in VARIANTS.items():
        grey = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE
        )
        if not np.array_equal(grey > 0, OBJECT):
            lost.append(name)
    assert {"16 bits", "palette whose object is black"} <= set(lost)
