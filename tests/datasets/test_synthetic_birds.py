"""Drawn birds: the same each time, whole or not there."""

import json

import cv2
import numpy as np
import pytest

from adl_tf.datasets.metadata import metadata
from adl_tf.datasets.synthetic_birds import reader as module
from adl_tf.datasets.synthetic_birds.bird import CLASS_NAMES, draw_bird
from adl_tf.errors import DataError


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds") / "birds"
    module.prepare(folder, num_train=20, num_test=10)
    return folder


def test_an_image_depends_on_its_arguments_alone():
    first, mask = draw_bird(3, 4, seed=1)
    again, _ = draw_bird(3, 4, seed=1)
    assert np.array_equal(first, again)
    for other in (draw_bird(4, 4, seed=1), draw_bird(3, 4, seed=2)):
        assert not np.array_equal(first, other[0])
    assert first.shape == (256, 256, 3)
    assert 0.02 < mask.mean() < 0.4


@pytest.mark.parametrize("label", [-1, len(CLASS_NAMES)])
def test_no_such_class(label):
    with pytest.raises(ValueError, match="label"):
        draw_bird(0, label)


def test_read_as_examples(drawn):
    examples = metadata(str(drawn), "test")
    assert len(examples) == 10
    assert examples.class_names == list(CLASS_NAMES)
    assert np.bincount(examples.labels).tolist() == [1] * 10
    for image_id, (box,) in zip(examples.image_ids, examples.boxes):
        mask = cv2.imread(
            str(drawn / "masks" / image_id.replace("jpg", "png")), 0
        )
        x, y, width, height = cv2.boundingRect(mask)
        assert box.tolist() == [x, y, x + width - 1, y + height - 1]


def test_masks_of_test_images_fit_their_boxes(drawn, monkeypatch):
    # What is drawn on first use are 2,500 images.
    monkeypatch.setattr(module, "prepare", lambda *_, **__: drawn)
    examples = module.synthetic_birds(drawn, "test")
    assert len(examples.masks) == len(examples) == 10
    for (path,), (box,) in zip(examples.masks, examples.boxes):
        rows, columns = np.nonzero(cv2.imread(path, cv2.IMREAD_GRAYSCALE))
        extent = [columns.min(), rows.min(), columns.max(), rows.max()]
        assert box.tolist() == extent
    assert examples.ignored is None
    assert module.synthetic_birds(drawn, "train").masks is None


def test_drawn_once(drawn):
    marker = drawn / "synthetic_birds.json"
    before = marker.stat().st_mtime_ns
    module.prepare(drawn, num_train=20, num_test=10)
    assert marker.stat().st_mtime_ns == before


def test_drawn_again_for_another_seed(tmp_path):
    folder = tmp_path / "birds"
    module.prepare(folder, num_train=10, num_test=10, seed=0)
    first = (folder / "train" / "00000.jpg").read_bytes()
    module.prepare(folder, num_train=10, num_test=10, seed=1)
    assert (folder / "train" / "00000.jpg").read_bytes() != first
    settings = json.loads((folder / "synthetic_birds.json").read_text())
    assert settings["seed"] == 1


def test_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "draw_bird", fail)
    with pytest.raises(KeyboardInterrupt):
        module.prepare(tmp_path / "birds", num_train=10, num_test=10)
    assert not list(tmp_path.iterdir())


def test_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("not to be lost")
    with pytest.raises(DataError, match="holds no synthetic birds"):
        module.prepare(tmp_path, num_train=10, num_test=10)


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "train/robin.jpg", "masks/old/1.png", "train/00010.jpg"],
)
@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_that_was_not_drawn_is_never_lost(tmp_path, name, damaged):
    folder = tmp_path / "birds"
    module.prepare(folder, num_train=10, num_test=10)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("not to be lost")
    if damaged:
        (folder / "synthetic_birds.json").write_text("{")
    with pytest.raises(DataError, match="was not drawn"):
        module.prepare(folder, num_train=10, num_test=10, seed=1)
    assert path.read_text() == "not to be lost"
    assert (folder / "train" / "00000.jpg").exists()
    if not damaged:  # what is there may still be read
        module.prepare(folder, num_train=10, num_test=10)


def test_an_empty_folder_is_drawn_into(tmp_path):
    module.prepare(tmp_path, num_train=10, num_test=10)
    assert len(metadata(str(tmp_path), "test")) == 10


def test_no_such_split(tmp_path):
    with pytest.raises(DataError, match="train and test"):
        module.synthetic_birds(tmp_path, "val")
