"""Folders in COCO's layout, drawn small."""

import json

import cv2
import numpy as np
import pytest

from adl_tf.datasets.coco import coco
from adl_tf.datasets.load import load_examples
from adl_tf.errors import DataError

CONTENT = {
    "info": {},
    "categories": [
        {"id": 44, "name": "bottle"},
        {"id": 3, "name": "car"},
        {"id": 90, "name": "unused"},
    ],
    "images": [
        {"id": 7, "file_name": "b.png", "width": 12, "height": 9},
        {"id": 5, "file_name": "a b.png", "width": 24, "height": 18},
        {"id": 6, "file_name": "several.png", "width": 12, "height": 9},
        {"id": 8, "file_name": "nothing.png", "width": 12, "height": 9},
    ],
    "annotations": [
        {"image_id": 5, "category_id": 3, "bbox": [1, 2.5, 30, 4]},
        {"image_id": 7, "category_id": 44, "bbox": [0, 0, 2, 0]},
        {"image_id": 5, "category_id": 3, "bbox": [1, 2.5, 30, 4]},
        {"image_id": 6, "category_id": 3, "bbox": [0, 0, 2, 2]},
        {"image_id": 6, "category_id": 44, "bbox": [0, 0, 2, 2]},
        {
            "image_id": 7,
            "category_id": 3,
            "bbox": [0, 0, 9, 9],
            "iscrowd": 1,
        },
    ],
}


def write(path, content, start=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes((start + text).encode())


def draw(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for image in CONTENT["images"][:2]:
        pixels = np.zeros((9, 12, 3), np.uint8)
        cv2.imwrite(str(folder / image["file_name"]), pixels)


@pytest.fixture
def path(tmp_path):
    draw(tmp_path / "val2017")
    path = tmp_path / "annotations" / "instances_val2017.json"
    write(path, CONTENT)
    return path


def refusal(path):
    with pytest.raises(DataError) as caught:
        coco(str(path.parent.parent), "val")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("split", ["val", "test"])
def test_images_of_one_class(tmp_path, path, split, capsys):
    examples = load_examples("coco", str(tmp_path), split)
    assert examples.image_ids == ["b.png", "a b.png"]
    assert examples.paths[1] == str(tmp_path / "val2017" / "a b.png")
    # In the order of the ids: car, bottle, unused.
    assert examples.class_names == ["car", "bottle", "unused"]
    assert examples.labels.tolist() == [1, 0]
    assert examples.sizes.tolist() == [[12, 9], [24, 18]]
    # Without the crowd; twice as annotated, and over the edge.
    assert examples.boxes[0].tolist() == [[0, 0, 2, 0]]
    assert examples.boxes[1].tolist() == [[1, 2.5, 31, 6.5]] * 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "2 of 4 images" in line
    assert "1 with several classes, 1 without an object" in line


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/instances_val.json", "images/val"),
        ("annotations/val.json", "images"),
        ("val/_annotations.coco.json", "val"),
        ("valid/_annotations.coco.json", "valid"),  # as Roboflow exports it
        ("annotations/val.json", "."),
    ],
)
def test_other_layouts(tmp_path, annotations, images):
    write(tmp_path / annotations, CONTENT, start="\ufeff")
    draw(tmp_path / images)
    assert len(coco(str(tmp_path), "val")) == 2


def test_splits_that_number_classes_differently(tmp_path):
    for split, names in (("train", ["red", "blue"]), ("test", ["blue", "red"])):
        content = {
            "categories": [
                {"id": number, "name": name}
                for number, name in enumerate(names, start=1)
            ],
            "images": [
                {"id": n, "file_name": f"{name}.png", "width": 9, "height": 9}
                for n, name in enumerate(names, start=1)
            ],
            "annotations": [
                {"image_id": n, "category_id": n, "bbox": [1, 1, 2, 2]}
                for n in (1, 2)
            ],
        }
        folder = tmp_path / split
        write(folder / "_annotations.coco.json", content)
        for name in names:
            cv2.imwrite(str(folder / f"{name}.png"), np.zeros((9, 9, 3)))
    train, test = (coco(str(tmp_path), split) for split in ("train", "test"))
    assert test.labels.tolist() == train.labels.tolist() == [0, 1]
    matched = test.relabelled(train.class_names, "train")
    assert dict(zip(matched.image_ids, matched.labels)) == {
        "red.png": 0,
        "blue.png": 1,
    }


def test_what_is_missing_is_named(tmp_path, path):
    (tmp_path / "val2017" / "a b.png").unlink()
    assert "a b.png" in refusal(path)
    (tmp_path / "val2017" / "b.png").unlink()
    assert "image b.png of" in refusal(path)
    with pytest.raises(DataError, match="instances_train.json; a folder in"):
        coco(str(tmp_path), "train")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"images": [],\n\n"annotations": ]', ":3: Expecting value"),
        ("", ":1: Expecting value"),
        ("[" * 100_000, "too many brackets"),
        ("[1]", "braces expected"),
        ("{}", "no list 'categories'"),
        (json.dumps({**CONTENT, "images": {}}), "no list 'images'"),
        (json.dumps({**CONTENT, "annotations": []}), "of one class only"),
    ],
)
def test_not_this_format(path, content, reason):
    write(path, content)
    message = refusal(path)
    assert message.startswith(str(path))
    assert reason in message


@pytest.mark.parametrize(
    ("name", "place", "change", "reason"),
    [
        ("categories", 1, {"id": 44}, "id 44 given twice"),
        ("categories", 1, {"id": "3"}, "id is not a whole number"),
        ("categories", 1, {"name": "a\nb"}, "name is not a line of text"),
        ("categories", 1, {"name": "\ud800"}, "name is not a line of text"),
        ("categories", 1, {"name": " "}, "name is not a line of text"),
        ("images", 2, {"id": 7}, "given twice"),
        ("images", 2, {"file_name": "b.png"}, "given twice"),
        ("images", 2, {"width": 0}, "without pixels"),
        ("images", 2, {"height": None}, "height is not a whole number"),
        ("images", 2, {"height": True}, "height is not a whole number"),
        ("annotations", 2, {"image_id": 1}, "no image has the id 1"),
        ("annotations", 2, {"category_id": 1}, "no category has the id 1"),
        ("annotations", 2, {"iscrowd": "no"}, "neither 0 nor 1"),
        ("annotations", 2, {"bbox": [1, 2, 3]}, "x, y, width, height"),
        ("annotations", 2, {"bbox": [1, 2, 3, "4"]}, "x, y, width, height"),
        ("annotations", 2, {"bbox": [1, 2, 3, 10**400]}, "x, y, width"),
        (
            "annotations",
            2,
            {"bbox": [1, 2, 3, float("nan")]},
            "bbox[3] is not a finite",
        ),
        (
            "annotations",
            2,
            {"bbox": [1, 2, float("inf"), 1]},
            "bbox[2] is not a finite",
        ),
        ("annotations", 2, {"bbox": [5, 5, -1, 1]}, "ends before it begins"),
    ],
)
def test_a_malformed_entry_is_named(path, name, place, change, reason):
    content = {**CONTENT, name: list(CONTENT[name])}
    content[name][place] = {**content[name][place], **change}
    write(path, content)
    message = refusal(path)
    assert message.startswith(f"{path}: {name}[{place}]: ")
    assert reason in message
