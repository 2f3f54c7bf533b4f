"""Formats of images as the pipeline decodes them, and damaged files."""

import struct

import cv2
import numpy as np
import pytest
import tensorflow as tf

# Not by name: pytest would take `test_batches` for a test.
from adl_tf.datasets import pipeline
from adl_tf.errors import DataError
from tests.datasets.drawings import assert_close, drawing, examples_of, save


def animation(frames):
    """A GIF of grey frames `(height, width)` with levels 0 to 127.

    Frequent clear codes keep every code at 8 bits: no compression.
    """
    height, width = frames[0].shape
    data = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF6, 0, 0)
    data += bytes(np.repeat(np.arange(128), 3).tolist())
    for frame in frames:
        data += b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x07"
        codes = b"".join(
            b"\x80" + bytes(row.tolist()) for row in frame.astype(np.uint8)
        )
        codes += b"\x81"
        for start in range(0, len(codes), 255):
            block = codes[start : start + 255]
            data += bytes([len(block)]) + block
        data += b"\x00"
    return data + b";"


def decoded(path, size):
    ((images, sizes),) = pipeline.test_batches(
        examples_of([path]), batch_size=1, resize_size=size, input_size=size
    ).as_numpy_iterator()
    assert sizes.tolist() == [[size, size]]
    return images[0]


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg"])
def test_colours_in_each_format(tmp_path, name):
    image = cv2.GaussianBlur(drawing(24, 24, 0), (0, 0), 3)
    path = tmp_path / name
    # All of the colour, and hardly any loss.
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        100,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    assert cv2.imwrite(str(path), image[..., ::-1], options)
    # The same levels as OpenCV's, which uses the exact cosine transform.
    found = cv2.imread(str(path))[..., ::-1]
    assert_close(found, image, 10 if name == "a.jpg" else 0)
    np.testing.assert_array_equal(decoded(path, 24), found)


@pytest.mark.parametrize("name", ["grey.png", "grey.jpg"])
def test_grey_images_get_three_channels(tmp_path, name):
    image = cv2.GaussianBlur(drawing(24, 24, 1)[..., 0], (0, 0), 3)
    path = tmp_path / name
    assert cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 100])
    found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert_close(found, image, 10 if name == "grey.jpg" else 0)
    np.testing.assert_array_equal(
        decoded(path, 24), np.repeat(found[..., None], 3, axis=2)
    )


def test_transparency_is_ignored(tmp_path):
    image = drawing(24, 24, 2)
    alpha = drawing(24, 24, 3)[..., :1]
    path = tmp_path / "a.png"
    assert cv2.imwrite(
        str(path), np.concatenate([image[..., ::-1], alpha], axis=2)
    )
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).shape[2] == 4
    np.testing.assert_array_equal(decoded(path, 24), image)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [drawing(24, 24, seed)[..., 0] // 2 for seed in (4, 5)]
    path = tmp_path / "a.gif"
    path.write_bytes(animation(frames))
    np.testing.assert_array_equal(
        decoded(path, 24), np.repeat(frames[0][..., None], 3, axis=2)
    )


def test_the_content_counts_not_the_name(tmp_path):
    # ILSVRC has a PNG file that is called .JPEG.
    image = drawing(24, 24, 6)
    path = save(tmp_path / "a.png", image).rename(tmp_path / "a.JPEG")
    np.testing.assert_array_equal(decoded(path, 24), image)


def damage(path, kind):
    whole = path.read_bytes()
    contents = {
        "cut_short": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"<html>Not found</html>\n",
    }
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes(contents[kind])


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("kind", ["cut_short", "empty", "text", "missing"])
def test_a_damaged_image_is_named(tmp_path, suffix, kind):
    paths = [
        save(tmp_path / f"{number}{suffix}", drawing(40, 30, number))
        for number in range(4)
    ]
    examples = examples_of(paths)
    assert pipeline.undecodable(examples) is None
    damage(paths[2], kind)
    error = pipeline.undecodable(examples)
    assert isinstance(error, DataError)
    assert str(paths[2]) in str(error)
    assert "--check lists all such" in str(error)
    assert "\n" not in str(error)
    # It is this error that commands wait for before they ask which file.
    with pytest.raises(tf.errors.OpError):
        list(
            pipeline.test_batches(
                examples, batch_size=2, resize_size=8, input_size=8
            )
        )


def test_the_search_starts_where_it_is_told(tmp_path):
    paths = [
        save(tmp_path / f"{number}.png", drawing(8, 8, number))
        for number in range(4)
    ]
    for number in (1, 3):
        damage(paths[number], "text")
    named = [
        str(pipeline.undecodable(examples_of(paths), start))
        for start in range(4)
    ]
    for message, number in zip(named, (1, 1, 3, 3), strict=True):
        assert str(paths[number]) in message
