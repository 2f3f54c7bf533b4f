"""Variants of image formats: the pixels of PIL, or a refusal that names them.

Every variant goes through each path on which images are decoded: training,
`--check` and the exported graph, by `tests/exported/test_one_decoder.py`'s
rule that they agree.
"""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from adl_tf.datasets import check, pipeline
from adl_tf.datasets.decoding import decode, read_image
from adl_tf.errors import DataError
from adl_tf.exported.decoding import decode_images
from tests.datasets.drawings import examples_of

SIDE = 16
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
ALPHA = RANDOM.integers(0, 256, (SIDE, SIDE, 1), np.uint8)
RGB = Image.fromarray(NOISE)
RGBA = Image.fromarray(np.concatenate([NOISE, ALPHA], axis=2))
PALETTE = RGB.quantize(200)
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE] * 8
SMOOTH = Image.fromarray(
    np.stack([ROWS, COLUMNS, 255 - ROWS], axis=2).astype(np.uint8)
)
USUAL_MASKS = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def frames(kind, images, **options):
    return encoded(
        images[0], kind, save_all=True, append_images=images[1:], **options
    )


def bmp(bits, compression=0, header_size=40, height=SIDE, masks=b"", colours=0):
    """A BMP of noise, whose header says what PIL does not write."""
    row = (bits * SIDE + 31) // 32 * 4
    pixels = np.random.default_rng(bits).integers(
        0, min(256, colours or 256), row * SIDE, np.uint8
    )
    palette = np.random.default_rng(1).integers(0, 256, 4 * colours, np.uint8)
    data = pixels.tobytes()
    offset = 14 + header_size + len(masks) + 4 * colours
    fields = (header_size, SIDE, height, 1, bits, compression, len(data))
    header = struct.pack("<IiiHHII", *fields)
    header += struct.pack("<iiII", 0, 0, colours % 256, 0)
    header += b"\0" * (header_size - 40)
    return (
        b"BM"
        + struct.pack("<IHHI", offset + len(data), 0, 0, offset)
        + header
        + masks
        + palette.tobytes()
        + data
    )


def without_adobe_marker(jpeg):
    begin = jpeg.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", jpeg, begin + 2)
    return jpeg[:begin] + jpeg[begin + 2 + length :]


def changed(content, place, new):
    return content[:place] + new + content[place + len(new) :]


TURNED = RGB.rotate(90)
GIF = encoded(PALETTE, "GIF")
JPEG = encoded(SMOOTH, "JPEG", quality=95)
FRAME = JPEG.index(b"\xff\xc0")  # the head of its frame
CMYK = encoded(SMOOTH.convert("CMYK"), "JPEG", quality=95)

DECODED = {
    "BMP, 24 bits": encoded(RGB, "BMP"),
    "BMP, 32 bits": encoded(RGBA, "BMP"),
    "BMP, palette": encoded(PALETTE, "BMP"),
    "BMP, palette of 10": bmp(8, colours=10),
    "BMP, palette of 256": bmp(8, colours=256),
    "BMP, palette, long header": bmp(8, colours=256, header_size=124),
    "BMP, palette, top row first": bmp(8, colours=256, height=-SIDE),
    "BMP, grey": encoded(RGB.convert("L"), "BMP"),
    "BMP, long header": bmp(24, header_size=124),
    "BMP, top row first": bmp(24, height=-SIDE),
    "BMP, usual masks": bmp(32, compression=3, masks=USUAL_MASKS),
    "WebP": encoded(RGB, "WEBP"),
    "WebP, lossless": encoded(RGB, "WEBP", lossless=True),
    "WebP, alpha": encoded(RGBA, "WEBP"),
    "WebP, lossless, alpha": encoded(RGBA, "WEBP", lossless=True, exact=True),
    "GIF": GIF,
    "GIF, frames": frames("GIF", [PALETTE, TURNED.quantize(200)]),
    "GIF, loop": frames("GIF", [PALETTE, TURNED.quantize(200)], loop=0),
    "GIF, one transparent colour": encoded(PALETTE, "GIF", transparency=3),
    "GIF, transparent, loop": frames(
        "GIF", [PALETTE, TURNED.quantize(200)], loop=0, transparency=9
    ),
    "GIF, interlaced": encoded(PALETTE, "GIF", interlace=1),
    "PNG, alpha": encoded(RGBA, "PNG"),
    "PNG, grey and alpha": encoded(RGBA.convert("LA"), "PNG"),
    "PNG, 1 bit": encoded(RGB.convert("1"), "PNG"),
    "PNG, palette": encoded(PALETTE, "PNG"),
    "PNG, palette of 4 bits": encoded(RGB.quantize(16), "PNG", bits=4),
    "PNG, palette, one transparent": encoded(PALETTE, "PNG", transparency=3),
    "PNG, one transparent colour": encoded(
        RGB, "PNG", transparency=tuple(NOISE[0, 0].tolist())
    ),
    "PNG, frames": frames("PNG", [RGB, TURNED]),
    "JPEG": JPEG,
    "JPEG, progressive": encoded(SMOOTH, "JPEG", progressive=True),
    "JPEG, grey": encoded(SMOOTH.convert("L"), "JPEG"),
    "JPEG, colours at half size": encoded(SMOOTH, "JPEG", subsampling=2),
    "JPEG, RGB": encoded(SMOOTH, "JPEG", keep_rgb=True),
    "JPEG, CMYK": CMYK,
}

REFUSED = {
    "a BMP of 1 bits": encoded(RGB.convert("1"), "BMP"),
    "a BMP of 4 bits": bmp(4, colours=16),
    "a BMP of 16 bits": bmp(16),
    "a BMP with run-length": bmp(8, compression=1, colours=256),
    "a BMP with colour masks": bmp(
        32, compression=3, masks=struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
    ),
    "a BMP with a header of OS/2": b"BM"
    + struct.pack("<IHHIIHHHH", 26 + 768, 0, 0, 26, 12, 16, 16, 1, 24)
    + NOISE.tobytes(),
    "a WebP of several frames": frames("WEBP", [RGB, TURNED]),
    "a WebP of several": frames("WEBP", [RGBA, RGBA.rotate(90)]),
    "a GIF whose first frame is a part": changed(
        GIF, 6, struct.pack("<HH", SIDE + 4, SIDE + 4)
    ),
    "a CMYK JPEG without Adobe's marker": without_adobe_marker(CMYK),
    "a JPEG of 12 bits": changed(JPEG, FRAME + 4, b"\x0c"),
    "a lossless JPEG": changed(JPEG, FRAME, b"\xff\xc3"),
}


@pytest.fixture(scope="module")
def decode_all_paths(tmp_path_factory):
    """Function from bytes to what each path makes of them, by name."""
    path = tmp_path_factory.mktemp("variants") / "image"
    graph = tf.function(
        lambda each: decode_images(each, SIDE),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )

    def run(content):
        path.write_bytes(content)
        ((images, _),) = pipeline.test_batches(
            examples_of([path]),
            batch_size=1,
            resize_size=SIDE,
            input_size=SIDE,
        ).as_numpy_iterator()
        exported, sizes = graph(tf.constant([content]))
        assert sizes.numpy().tolist() == [[SIDE, SIDE]]
        assert not check.decode_image(str(path)).error
        return {
            "file": read_image(str(path)),
            "pipeline": images[0],
            "exported": exported[0].numpy(),
        }

    run.path, run.graph = path, graph
    return run


@pytest.mark.parametrize("name", DECODED)
def test_pixels_are_those_of_pil(decode_all_paths, name):
    with Image.open(io.BytesIO(DECODED[name])) as image:
        expected = np.asarray(image.convert("RGB"), int)
    for way, found in decode_all_paths(DECODED[name]).items():
        assert np.abs(found - expected).max() <= 1, way


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(decode_all_paths, name):
    content = REFUSED[name]
    decode_all_paths.path.write_bytes(content)
    path = str(decode_all_paths.path)
    with pytest.raises(DataError, match=f"^{name}.* is not decoded: convert"):
        read_image(path)
    assert name in check.decode_image(path).error
    assert name in str(pipeline.undecodable(examples_of([path])))
    with pytest.raises(tf.errors.OpError):
        decode(content)
    _, sizes = decode_all_paths.graph(tf.constant([content]))
    assert not sizes.numpy().any()


@pytest.mark.parametrize(
    "name",
    ["BMP, 24 bits", "BMP, palette", "WebP", "WebP, alpha", "GIF", "JPEG"],
)
def test_truncated_anywhere(decode_all_paths, name):
    content = DECODED[name]
    for length in sorted(
        {*range(0, 64, 3), *np.linspace(64, len(content) - 3, 9)}
    ):
        cut = content[: int(length)]
        decode_all_paths.path.write_bytes(cut)
        with pytest.raises(DataError) as caught:
            read_image(str(decode_all_paths.path))
        assert "\n" not in str(caught.value)
        _, sizes = decode_all_paths.graph(tf.constant([cut]))
        assert not sizes.numpy().any(), length


@pytest.mark.parametrize("kind", ["RGB", "L"])
def test_sixteen_bits_become_the_higher_eight(decode_all_paths, kind):
    values = RANDOM.integers(0, 2**16, (SIDE, SIDE), np.uint16)
    content = encoded(Image.fromarray(values), "PNG")
    for found in decode_all_paths(content).values():
        for channel in range(3):
            np.testing.assert_array_equal(found[..., channel], values >> 8)
