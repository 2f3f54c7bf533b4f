"""Folders of images with metadata files."""

import os

import cv2
import numpy as np
import pytest

from adl_tf.datasets.ilsvrc import ilsvrc
from adl_tf.datasets.load import load_examples, split_names
from adl_tf.datasets.metadata import metadata
from adl_tf.errors import DataError
from tests.datasets.text_files import write

NAMES = ["val/a.png", "val/b.png", "val/c 1.png"]
FILES = {
    "image_ids.txt": NAMES,
    "class_labels.txt": ["val/a.png,2", "val/b.png,0", "val/c 1.png,1"],
    "image_sizes.txt": ["val/a.png,12,9", "val/b.png,8,6", "val/c 1.png,7,5"],
    "localization.txt": [
        "val/a.png,1,2,3,4",
        "val/c 1.png,0,0,6,4",
        "val/a.png,5.5,1,11,8",
    ],
}


@pytest.fixture
def root(tmp_path):
    """A data folder; its metadata stand in `metadata/test`."""
    (tmp_path / "val").mkdir()
    for name in NAMES:
        cv2.imwrite(str(tmp_path / name), np.zeros((9, 12, 3), np.uint8))
    for name, lines in FILES.items():
        write(tmp_path / "metadata" / "test", name, lines)
    return tmp_path


@pytest.fixture
def folder(root):
    return root / "metadata" / "test"


def refusal(root, split="test", read=metadata):
    with pytest.raises(DataError) as caught:
        read(str(root), split)
    return str(caught.value)


def test_reads_a_good_folder(root):
    examples = metadata(str(root), "test")
    assert examples.image_ids == NAMES
    assert examples.paths == [str(root / name) for name in NAMES]
    assert examples.labels.tolist() == [2, 0, 1]
    assert examples.labels.dtype == np.int32
    assert examples.class_names == ["0", "1", "2"]
    assert examples.sizes.tolist() == [[12, 9], [8, 6], [7, 5]]
    # Several boxes, none, one.
    assert [boxes.shape for boxes in examples.boxes] == [(2, 4), (0, 4), (1, 4)]
    assert examples.boxes[0].tolist() == [[1, 2, 3, 4], [5.5, 1, 11, 8]]
    assert examples.boxes[2].tolist() == [[0, 0, 6, 4]]


def test_masks(root, folder):
    lines = [
        "val/a.png,m/a0.png,m/a_ignored.png",
        "val/a.png,m/a1.png,",
        "val/b.png,m/b.png",
        "val/c 1.png , m/c.png , ",
        "val/another.png,m/d.png",
        "val/a.png,1,2,3,4",
    ]
    write(folder, "localization.txt", lines)
    examples = metadata(str(root), "test")
    assert examples.masks == [
        (str(root / "m/a0.png"), str(root / "m/a1.png")),
        (str(root / "m/b.png"),),
        (str(root / "m/c.png"),),
    ]
    assert examples.ignored == [str(root / "m/a_ignored.png"), "", ""]
    assert [len(boxes) for boxes in examples.boxes] == [1, 0, 0]
    kept = examples.of_classes("1,3")
    assert kept.image_ids == ["val/a.png", "val/b.png"]
    assert kept.masks == examples.masks[:2]
    assert kept.ignored == examples.ignored[:2]


def test_masks_of_which_all_pixels_count(root, folder):
    write(folder, "localization.txt", ["val/a.png,m/a.png,", "val/b.png,b"])
    examples = metadata(str(root), "test")
    assert examples.masks == [(str(root / "m/a.png"),), (str(root / "b"),), ()]
    assert examples.ignored is None


def test_boxes_alone(root):
    examples = metadata(str(root), "test")
    assert examples.masks is examples.ignored is None


def test_images_are_not_needed_for_their_descriptions(root):
    (root / NAMES[0]).unlink()
    assert len(metadata(str(root), "test", with_images=False)) == 3


def test_without_boxes(root, folder):
    (folder / "localization.txt").unlink()
    examples = metadata(str(root), "test")
    assert [boxes.shape for boxes in examples.boxes] == [(0, 4)] * 3


def test_windows_line_ends_and_byte_order_mark(root, folder):
    plain = metadata(str(root), "test")
    for name, lines in FILES.items():
        write(folder, name, [*lines, ""], ending="\r\n", start="\ufeff")
    found = metadata(str(root), "test")
    assert found.image_ids == plain.image_ids
    assert found.labels.tolist() == plain.labels.tolist()
    assert found.sizes.tolist() == plain.sizes.tolist()
    assert found.boxes[0].tolist() == plain.boxes[0].tolist()


@pytest.mark.parametrize("place", ["metadata/test", "metadata"])
def test_class_names(root, place):
    write(root / place, "class_names.txt", ["crow", "finch", "gull", "heron"])
    examples = metadata(str(root), "test")
    assert examples.class_names == ["crow", "finch", "gull", "heron"]
    assert examples.num_classes == 4


def test_a_class_without_a_name(root, folder):
    """The line of the label is to blame, or else the list of names."""
    write(folder, "class_names.txt", ["crow", "finch"])
    assert refusal(root) == (
        f"{folder / 'class_labels.txt'}:1: class not within 0-1, which "
        "class_names.txt names (numbers start at 0): 'val/a.png,2'"
    )
    message = refusal(root, read=ilsvrc)
    assert f"{folder / 'class_names.txt'} has 2 names, and 1000 or" in message


def test_a_name_in_place_of_its_number(root, folder):
    write(folder, "class_names.txt", ["crow", "finch", "gull"])
    write(folder, "class_labels.txt", ["val/a.png,0", "val/b.png,gull"])
    assert "class_labels.txt:2: the number of a class expected, 2 for th" in (
        refusal(root)
    )


def test_one_split_only_is_for_testing(root, folder):
    for path in folder.iterdir():
        path.rename(folder.parent / path.name)
    folder.rmdir()
    for split in ("test", "val"):
        assert metadata(str(root), split).image_ids == NAMES
    message = refusal(root, "train")
    assert "one split only" in message
    assert str(root / "metadata" / "train") in message


def test_several_splits_are_kept_apart(root):
    train = root / "metadata" / "train"
    write(train, "image_ids.txt", NAMES[1:2])
    write(train, "class_labels.txt", ["val/b.png,7"])
    write(train, "image_sizes.txt", ["val/b.png,8,6"])
    examples = load_examples("metadata", str(root), "train")
    assert examples.image_ids == ["val/b.png"]
    assert examples.labels.tolist() == [7]
    assert examples.num_classes == 8
    assert len(load_examples("metadata", str(root), "test")) == 3
    # Whether the folder or that of the text files is named.
    for place in (root, root / "metadata"):
        assert "has no split 'val', but test and train" in refusal(place, "val")
    assert f"no folder {root}/tset;" in refusal(root / "tset")


@pytest.mark.parametrize(
    ("name", "number", "line", "reason"),
    [
        ("image_ids.txt", 2, "val/b.png,1", "1 field expected, not 2 (no path"),
        ("class_labels.txt", 1, "val/a.png", "2 fields expected, not 1"),
        ("class_labels.txt", 2, "val/b.png,1,2", "2 fields expected, not 3"),
        ("class_labels.txt", 2, "val/b.png,crow", "whole number expected"),
        ("class_labels.txt", 2, "val/b.png,1.0", "whole number expected"),
        ("class_labels.txt", 3, "val/c 1.png,-1", "not within 0-99999"),
        ("class_labels.txt", 3, "val/c 1.png,100000", "not within 0-99999"),
        ("class_labels.txt", 3, "val/c 1.png,1_0", "whole number expected"),
        ("image_sizes.txt", 3, "val/b.png,8,6", "given twice"),
        ("image_sizes.txt", 2, "val/b.png,8", "3 fields expected, not 2"),
        ("image_sizes.txt", 2, "val/b.png,8,six", "whole number expected"),
        ("image_sizes.txt", 3, "val/c 1.png,0,5", "without pixels"),
        ("image_sizes.txt", 3, "val/c 1.png,7,-5", "without pixels"),
        ("localization.txt", 1, "val/a.png,1,2,3", "5 fields expected, not 4"),
        ("localization.txt", 2, "val/a.png,1,2,3,x", "a number expected"),
        ("localization.txt", 2, "val/a.png,1,2,3,", "a number expected"),
        ("localization.txt", 2, "val/a.png,nan,2,3,4", "not finite"),
        ("localization.txt", 2, "val/a.png,1,2,inf,4", "not finite"),
        ("localization.txt", 2, "val/a.png,1,-inf,3,4", "not finite"),
        ("localization.txt", 3, "val/a.png,5,1,4,8", "not x,y,width,height"),
        ("localization.txt", 3, "val/a.png,5,9,6,8", "ends before it begins"),
    ],
)
def test_a_malformed_line_is_named(root, folder, name, number, line, reason):
    lines = list(FILES[name])
    lines[number - 1] = line
    write(folder, name, lines)
    message = refusal(root)
    assert f"{folder / name}:{number}: " in message
    assert reason in message
    assert f"'{line}'" in message


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_validation_by_any_name(root, folder, name):
    folder.rename(folder.parent / name)
    assert split_names("metadata", str(root)) == ["val"]
    for asked in ("val", name):
        assert metadata(str(root), asked).image_ids == NAMES


def test_val_and_valid_are_kept_apart(root, folder):
    for name, count in (("val", 1), ("valid", 2)):
        for file, lines in FILES.items():
            kept = [line for line in lines if line.startswith(NAMES[0])]
            write(folder.parent / name, file, kept if count == 1 else lines)
    assert split_names("metadata", str(root)) == ["val", "test", "valid"]
    assert len(metadata(str(root), "val")) == 1
    assert len(metadata(str(root), "valid")) == 3


def test_boxes_for_none_of_the_images(root, folder):
    write(folder, "localization.txt", ["images/val/a.png,1,2,3,4"])
    message = refusal(root)
    assert "localization.txt has no line for any of the images" in message
    write(folder, "localization.txt", [])
    assert not metadata(str(root), "test").has_ground_truth


def test_an_empty_line_among_class_names(root, folder):
    write(folder, "class_names.txt", ["ant", "", "bee", "cat"])
    assert "class_names.txt:2: an empty line" in refusal(root)
    write(folder, "class_names.txt", ["ant", "b\u2028ee", "cat", "", ""])
    names = ["ant", "b\u2028ee", "cat"]
    assert metadata(str(root), "test").class_names == names


@pytest.mark.parametrize("codec", ["latin-1", "utf-16"])
@pytest.mark.parametrize("name", [*FILES, "class_names.txt"])
def test_other_encodings(root, folder, codec, name):
    text = "\n".join(FILES.get(name, ["ä", "b", "c"])) + "\n#ä"
    (folder / name).write_bytes(text.encode(codec))
    assert f"{folder / name} is not a text file in UTF-8" in refusal(root)


def test_files_that_never_end(root, folder):
    (folder / "localization.txt").unlink()
    (folder / "class_labels.txt").unlink()
    os.mkfifo(folder / "class_labels.txt")
    assert "class_labels.txt is not a regular file" in refusal(root)
    (root / NAMES[0]).unlink()
    os.mkfifo(root / NAMES[0])
    write(folder, "image_ids.txt", NAMES[:1])
    (folder / "class_labels.txt").unlink()
    write(folder, "class_labels.txt", FILES["class_labels.txt"])
    assert f"1 is missing: {root / NAMES[0]}" in refusal(root)


def test_empty_lines_count_for_the_number_of_a_line(root, folder):
    write(folder, "class_labels.txt", ["", "val/a.png,1", " ", "val/b.png,x"])
    assert f"{folder / 'class_labels.txt'}:4: " in refusal(root)


@pytest.mark.parametrize("name", ["class_labels.txt", "image_sizes.txt"])
def test_a_image_without_label_or_size(root, folder, name):
    write(folder, name, [FILES[name][0], FILES[name][2]])
    message = refusal(root)
    assert f"{folder / name} has no line for val/b.png" in message


@pytest.mark.parametrize(
    "name", ["image_ids.txt", "class_labels.txt", "image_sizes.txt"]
)
def test_a_missing_file_is_named(root, folder, name):
    (folder / name).unlink()
    message = refusal(root)
    assert f"no file {folder / name}" in message
    assert "metadata/<split>/" in message


@pytest.mark.parametrize(
    ("read", "expected"),
    [(metadata, "image_ids.txt"), (ilsvrc, "image-net.org")],
)
def test_a_missing_folder_says_what_is_expected(tmp_path, read, expected):
    message = refusal(tmp_path, "val", read)
    assert str(tmp_path / "metadata" / "val") in message
    assert expected in message


def test_missing_images(root, folder):
    names = [f"val/{number}.png" for number in range(7)]
    write(folder, "image_ids.txt", [*NAMES, *names])
    write(folder, "class_labels.txt", [f"{n},0" for n in [*NAMES, *names]])
    write(folder, "image_sizes.txt", [f"{n},9,9" for n in [*NAMES, *names]])
    named = ", ".join(str(root / name) for name in names[:5])
    assert refusal(root).startswith(
        f"{folder / 'image_ids.txt'}: of its 10 images 7 are missing: "
        f"{named} and 2 more; a data folder holds"
    )
    write(folder, "image_ids.txt", [*NAMES, names[0]])
    assert f"4 images 1 is missing: {root / names[0]}; a" in refusal(root)


def test_ilsvrc_has_1000_classes(root, folder):
    examples = ilsvrc(str(root), "test")
    assert examples.num_classes == len(examples.class_names) == 1000
    assert examples.labels.tolist() == [2, 0, 1]
    lines = list(FILES["class_labels.txt"])
    lines[1] = "val/b.png,999"
    write(folder, "class_labels.txt", lines)
    assert ilsvrc(str(root), "test").labels.tolist() == [2, 999, 1]
    lines[1] = "val/b.png,1000"
    write(folder, "class_labels.txt", lines)
    message = refusal(root, read=ilsvrc)
    assert f"{folder / 'class_labels.txt'}:2: " in message
    assert "class not within 0-999" in message


def test_part_of_the_real_ilsvrc(test_data):
    examples = ilsvrc(str(test_data / "ILSVRC"), "val")
    assert len(examples) == 1300
    assert sum(len(boxes) for boxes in examples.boxes) == 1943
    assert examples.num_classes == 1000
    # Boxes were cut at the last pixel by those who published them.
    for boxes, size in zip(examples.boxes, examples.sizes, strict=True):
        assert np.all(boxes >= 0)
        assert np.all(boxes <= np.tile(size, 2) - 1)
