"""Examples, classes as text, and data sets by name."""

import numpy as np
import pytest

from adl_tf.datasets.examples import Examples, parse_classes
from adl_tf.datasets.load import load_examples, split_names
from adl_tf.errors import DataError, UsageError

NAMES = ["crow", "finch", "gull", "heron", "ibis"]


def five_classes(sizes=None, folder="images"):
    labels = [0, 1, 2, 3, 4, 2, 0]
    return Examples(
        image_ids=[f"{place}.png" for place in range(7)],
        paths=[f"{folder}/{place}.png" for place in range(7)],
        labels=np.array(labels, np.int32),
        boxes=[np.full((1, 4), place, np.float32) for place in range(7)],
        class_names=NAMES,
        sizes=sizes,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", [1]),
        ("200", [200]),
        ("1-3", [1, 2, 3]),
        ("4-4", [4]),
        ("3,7,10-12", [3, 7, 10, 11, 12]),
        ("9,2-3", [9, 2, 3]),
        (" 1 , 5-6 ", [1, 5, 6]),
    ],
)
def test_classes_as_text(text, expected):
    assert parse_classes(text, 200) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither a number nor a range"),
        ("a", "'a' is neither"),
        ("1,,2", "'' is neither"),
        ("1-", "'1-' is neither"),
        ("-3", "'-3' is neither"),
        ("1-2-3", "'1-2-3' is neither"),
        ("1.5", "'1.5' is neither"),
        ("0", "'0' is not within 1-200"),
        ("201", "'201' is not within 1-200"),
        ("5,199-201", "'199-201' is not within 1-200"),
        ("7-3", "'7-3' is not within 1-200"),
        ("3,1-5", "twice"),
    ],
)
def test_bad_classes(text, reason):
    with pytest.raises(UsageError, match=reason) as caught:
        parse_classes(text, 200)
    assert f"--classes={text}" in str(caught.value)


def test_classes_are_relabelled_in_the_order_given():
    sizes = np.arange(14).reshape(7, 2)
    kept = five_classes(sizes).of_classes("4,1,3")
    assert kept.class_names == ["heron", "crow", "gull"]
    assert kept.num_classes == 3
    assert kept.image_ids == ["0.png", "2.png", "3.png", "5.png", "6.png"]
    assert kept.paths == [f"images/{name}" for name in kept.image_ids]
    assert kept.labels.tolist() == [1, 2, 0, 2, 1]
    assert kept.labels.dtype == np.int32
    assert [boxes[0, 0] for boxes in kept.boxes] == [0, 2, 3, 5, 6]
    assert kept.sizes.tolist() == sizes[[0, 2, 3, 5, 6]].tolist()
    assert len(kept) == 5


def test_classes_without_sizes_and_out_of_range():
    assert five_classes().of_classes("2").sizes is None
    with pytest.raises(UsageError, match="not within 1-5"):
        five_classes().of_classes("6")


def test_a_missing_image_is_named(tmp_path):
    examples = five_classes(folder=str(tmp_path))
    for path in examples.paths:
        with open(path, "wb"):
            pass
    examples.check_files("list.txt", "from the shop")
    (tmp_path / "4.png").unlink()
    with pytest.raises(DataError) as caught:
        examples.check_files("list.txt", "from the shop")
    assert str(tmp_path / "4.png") in str(caught.value)
    assert "from the shop" in str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "files", "expected"),
    [
        (
            "metadata",
            [
                "metadata/val/localization.txt",
                "metadata/train/image_ids.txt",
                "metadata/extra/image_sizes.txt",
                "metadata/notes/readme.txt",
            ],
            ["train", "val", "extra"],
        ),
        ("metadata", ["metadata/image_ids.txt"], ["test"]),
        ("metadata", ["test/image_ids.txt", "birds/1.jpg"], ["test"]),
        ("metadata", ["birds/1.jpg"], ["train"]),
        ("ilsvrc", ["metadata/val/image_ids.txt"], ["val"]),
        ("ilsvrc", ["ILSVRC/Data/CLS-LOC/val/1.JPEG"], ["val"]),
        ("cub", ["CUB_200_2011/images.txt"], ["train", "test"]),
        (
            "cub",
            ["CUB_200_2011/images.txt", "CUBV2/1.jpg"],
            ["train", "val", "test"],
        ),
        (
            "coco",
            [
                "annotations/instances_val2017.json",
                "train/_annotations.coco.json",
            ],
            ["train", "val"],
        ),
        ("synthetic_birds", [], ["train", "test"]),
    ],
)
def test_splits_that_are_there(tmp_path, dataset, files, expected):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert split_names(dataset, str(tmp_path)) == expected


@pytest.mark.parametrize(
    ("dataset", "folder", "reason"),
    [
        (
            "imagenet",
            "anywhere",
            "--dataset=imagenet.*cub, ilsvrc, coco, metadata",
        ),
        ("cub", None, "--dataset=cub needs --data_dir"),
        ("metadata", "", "--dataset=metadata needs --data_dir"),
    ],
)
def test_no_such_data_set_or_no_folder(dataset, folder, reason):
    with pytest.raises(UsageError, match=reason):
        load_examples(dataset, folder, "test")
