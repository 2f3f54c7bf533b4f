"""The page of `python -m adl_tf.datasets --show`, without TensorFlow."""

import re

import cv2
import numpy as np
import pytest

from adl_tf.datasets.check import CheckedSplit, DecodedImage
from adl_tf.datasets.examples import Examples
from adl_tf.reporting.dataset_page import write_dataset_page

HOSTILE = "</title><script>alert(1)</script>"


@pytest.fixture
def examples(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((100, 200, 3), np.uint8))
    return Examples(
        image_ids=["a", HOSTILE],
        paths=[str(path), str(tmp_path / "b.png")],
        labels=np.array([1, 1]),
        boxes=[
            np.float32([[10, 20, 30, 40], [-20, 5, 900, 5]]),
            np.zeros((0, 4), np.float32),
        ],
        class_names=["robin", f"{HOSTILE} & wren"],
    )


def write(path, examples, checked=None):
    write_dataset_page(str(path), "mine", {"train": examples}, checked)
    return path.read_text()


def test_images_and_boxes(tmp_path, examples):
    text = write(tmp_path / "page.html", examples)
    assert "<script" not in text
    assert text.count("data:image/jpeg;base64,") == 1
    assert text.count("cannot be shown") == 1
    # As far as the boxes reach, but no more than 15 % beyond the image.
    (view,) = re.findall(r'viewBox="(.*?)"', text)
    assert view == "-20.0 0.0 250.0 100.0"
    rects = re.findall(
        r'rect class="(first|further)" x="(.*?)" y="(.*?)" width="(.*?)" '
        r'height="(.*?)"',
        text,
    )
    # The first lies on top; the other is a line, and still to be seen.
    assert rects == [
        ("further", "-20.0", "5.0", "920.0", "1"),
        ("first", "10.0", "20.0", "20.0", "20.0"),
    ]
    assert "What was found" not in text


def test_boxes_for_a_image_of_another_size(tmp_path, examples):
    examples = examples.take([0])
    object.__setattr__(examples, "sizes", np.array([[1000, 500]]))
    text = write(tmp_path / "page.html", examples)
    assert 'width="1000" height="500" preserveAspectRatio="none"' in text


def test_what_was_found(tmp_path, examples):
    images = [
        DecodedImage((200, 100), digest=b"a"),
        DecodedImage(None, "x<y"),
    ]
    checked = CheckedSplit("train", examples, images, [("m.png", "no mask")])
    text = write(tmp_path / "page.html", examples, [checked])
    for found in (
        "x&lt;y",
        "m.png: no mask",
        "A box over the edge",
        "An empty",
    ):
        assert found in text
    assert "The same image" not in text


def test_a_split_without_images(tmp_path, examples):
    assert "0 images" in write(tmp_path / "page.html", examples.take([]))
