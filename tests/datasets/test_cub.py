"""CUB-200-2011 in its official layout, drawn small."""

import cv2
import numpy as np
import pytest

from adl_tf.datasets.cub import cub
from adl_tf.datasets.load import load_examples
from adl_tf.errors import DataError
from tests.datasets.text_files import write

NAMES = [
    "001.Crow/Crow_0001_11.png",
    "001.Crow/Crow_0002_12.png",
    "002.Finch/Finch_0001_21.png",
    "002.Finch/Finch_0002_22.png",
    "003.Gull/Gull_0001_31.png",
]
FILES = {
    "classes.txt": ["1 001.Crow", "2 002.Finch", "3 003.Gull"],
    "images.txt": [f"{i} {name}" for i, name in enumerate(NAMES, 1)],
    "image_class_labels.txt": ["1 1", "2 1", "3 2", "4 2", "5 3"],
    # The third reaches past the edge of its image.
    "bounding_boxes.txt": [
        "1 2.0 1.0 5.0 4.0",
        "2 0.0 0.0 12.0 9.0",
        "3 3.5 2.5 10.0 8.0",
        "4 1.0 2.0 3.0 4.0",
        "5 6.0 5.0 4.0 3.0",
    ],
    "train_test_split.txt": ["1 1", "2 0", "3 0", "4 1", "5 0"],
}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "CUB_200_2011"
    for name in NAMES:
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.zeros((9, 12, 3), np.uint8))
    for name, lines in FILES.items():
        write(root, name, lines)
    return root


def refusal(folder, split="test"):
    with pytest.raises(DataError) as caught:
        cub(str(folder), split)
    return str(caught.value)


@pytest.mark.parametrize(
    ("split", "places", "labels", "boxes"),
    [
        ("train", [0, 3], [0, 1], [[2, 1, 7, 5], [1, 2, 4, 6]]),
        (
            "test",
            [1, 2, 4],
            [0, 1, 2],
            [[0, 0, 12, 9], [3.5, 2.5, 13.5, 10.5], [6, 5, 10, 8]],
        ),
    ],
)
def test_reads_the_official_layout(folder, split, places, labels, boxes):
    examples = cub(str(folder), split)
    assert examples.image_ids == [NAMES[place] for place in places]
    assert examples.paths == [
        str(folder / "images" / NAMES[place]) for place in places
    ]
    assert examples.labels.tolist() == labels
    assert examples.labels.dtype == np.int32
    # x, y, width, height in the file; x0, y0, x1, y1 here; not clipped.
    assert [each.tolist() for each in examples.boxes] == [[b] for b in boxes]
    assert examples.class_names == ["Crow", "Finch", "Gull"]
    assert examples.sizes is None


def test_the_folder_or_the_one_above_it(folder):
    below = cub(str(folder), "test")
    above = cub(str(folder.parent), "test")
    assert below.paths == above.paths
    assert load_examples("cub", str(folder), "test").paths == below.paths


def test_classes_of_a_data_set_by_name(folder):
    examples = load_examples("cub", str(folder), "test", "3,1")
    assert examples.class_names == ["Gull", "Crow"]
    assert examples.labels.tolist() == [1, 0]


def test_windows_line_ends_and_byte_order_mark(folder):
    plain = cub(str(folder), "test")
    for name, lines in FILES.items():
        write(folder, name, [*lines, ""], ending="\r\n", start="\ufeff")
    found = cub(str(folder), "test")
    assert found.image_ids == plain.image_ids
    assert found.labels.tolist() == plain.labels.tolist()
    assert found.class_names == plain.class_names
    np.testing.assert_array_equal(found.boxes, plain.boxes)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_where_it_comes_from(folder, name):
    (folder / name).unlink()
    message = refusal(folder)
    assert str(folder / name) in message
    assert "data.caltech.edu" in message
    assert "--data_dir" in message


def test_a_missing_folder(tmp_path):
    message = refusal(tmp_path / "nowhere")
    assert "nowhere" in message
    assert "data.caltech.edu" in message


def test_a_missing_image(folder):
    path = folder / "images" / NAMES[4]
    path.unlink()
    assert len(cub(str(folder), "train")) == 2
    message = refusal(folder)
    assert str(path) in message
    assert "data.caltech.edu" in message


@pytest.mark.parametrize(
    ("name", "number", "line", "reason"),
    [
        ("images.txt", 2, "2", "2 fields expected, not 1"),
        ("images.txt", 2, "2 a b.png", "2 fields expected, not 3"),
        ("image_class_labels.txt", 3, "3 x", "whole number expected"),
        ("image_class_labels.txt", 3, "3 1.5", "whole number expected"),
        ("image_class_labels.txt", 3, "3 0", "class not within 1-3"),
        ("image_class_labels.txt", 5, "5 4", "class not within 1-3"),
        ("image_class_labels.txt", 5, "5 -1", "class not within 1-3"),
        ("bounding_boxes.txt", 2, "2 1 2 3", "5 fields expected, not 4"),
        ("bounding_boxes.txt", 2, "2 1 2 3 wide", "a number expected"),
        ("bounding_boxes.txt", 2, "2 1 2 3 nan", "not finite"),
        ("bounding_boxes.txt", 2, "2 1 inf 3 4", "not finite"),
        ("train_test_split.txt", 5, "5 0 0", "2 fields expected, not 3"),
        ("classes.txt", 1, "1", "2 fields expected, not 1"),
        ("classes.txt", 3, "4 004.Gull", "class 3 expected"),
        ("images.txt", 5, f"5 {NAMES[0]}", "image given twice"),
        ("images.txt", 5, f"1 {NAMES[4]}", "number given twice"),
    ],
)
def test_a_malformed_line_is_named(folder, name, number, line, reason):
    lines = list(FILES[name])
    lines[number - 1] = line
    write(folder, name, lines)
    message = refusal(folder)
    assert f"{folder / name}:{number}: " in message
    assert reason in message
    assert f"'{line}'" in message


@pytest.mark.parametrize(
    "name",
    ["image_class_labels.txt", "bounding_boxes.txt", "train_test_split.txt"],
)
def test_a_image_without_label_box_or_split(folder, name):
    write(folder, name, FILES[name][:-1])
    message = refusal(folder)
    assert f"{folder / 'images.txt'}:5: " in message
    assert NAMES[4] in message


def test_an_unknown_split(folder):
    assert "train, val and test, not 'dev'" in refusal(folder, "dev")
    assert "data.cub.prepare downloads CUBV2" in refusal(folder, "val")


def test_not_a_text_file(folder):
    (folder / "classes.txt").write_bytes(b"1 \xff\xfe\n")
    assert f"{folder / 'classes.txt'} is not a text file" in refusal(folder)


@pytest.mark.parametrize(("split", "count"), [("train", 750), ("test", 652)])
def test_first_classes_of_the_real_one(test_data, split, count):
    examples = cub(str(test_data), split).of_classes("1-25")
    assert len(examples) == len(set(examples.image_ids)) == count
    assert examples.num_classes == 25
    assert examples.class_names[0] == "Black_footed_Albatross"
    folders = [int(name[:3]) - 1 for name in examples.image_ids]
    assert examples.labels.tolist() == folders
    assert all(boxes.shape == (1, 4) for boxes in examples.boxes)


def test_cubv2_beside_it_is_val(folder):
    root = folder.parent / "CUBV2"
    metadata = root / "metadata" / "val"
    (root / "2").mkdir(parents=True)
    cv2.imwrite(str(root / "2" / "a.jpg"), np.zeros((8, 9, 3), np.uint8))
    write(metadata, "image_ids.txt", ["2/a.jpg"])
    write(metadata, "class_labels.txt", ["2/a.jpg,1"])
    write(metadata, "image_sizes.txt", ["2/a.jpg,9,8"])
    write(metadata, "localization.txt", ["2/a.jpg,1,2,5,6"])
    examples = cub(str(folder), "val")
    assert examples.image_ids == ["2/a.jpg"]
    assert examples.class_names == cub(str(folder), "test").class_names
    assert examples.boxes[0].tolist() == [[1, 2, 5, 6]]
    # Classes are chosen as in the other splits.
    assert cub(str(folder), "val").of_classes("2").labels.tolist() == [0]
