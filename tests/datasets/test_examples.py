"""Examples, classes as text, and data sets by name."""

import dataclasses

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


@pytest.mark.parametrize("seed", range(5))
def test_another_numbering_is_undone_by_name(seed):
    examples = five_classes(sizes=np.arange(14).reshape(7, 2))
    random = np.random.default_rng(seed)
    names = random.permutation([*NAMES, "auk", "tern"]).tolist()
    found = examples.relabelled(names, "the model")
    assert found.class_names == names
    assert found.image_ids == examples.image_ids
    assert found.labels.dtype == np.int32
    for old, new in zip(examples.labels, found.labels):
        assert names[new] == NAMES[old]
    assert found.sizes.tolist() == examples.sizes.tolist()


def test_equal_names_stay_though_given_twice():
    # Two classes of ImageNet are called crane.
    examples = dataclasses.replace(
        five_classes(), class_names=["crane", "a", "b", "crane", "c"]
    )
    assert examples.relabelled(list(examples.class_names), "it") is examples
    with pytest.raises(DataError, match="'crane' is the name of 2 classes of"):
        examples.relabelled(["crane", "a", "b", "crane", "d"], "the model")


@pytest.mark.parametrize("leave_out", [False, True])
def test_a_class_that_is_not_among_the_names(leave_out):
    names = ["ibis", "gull", "Crow", "finch"]
    if leave_out:
        found = five_classes().relabelled(names, "the model", leave_out=True)
        assert found.image_ids == ["1.png", "2.png", "4.png", "5.png"]
        assert found.labels.tolist() == [3, 1, 0, 1]
    else:
        with pytest.raises(DataError, match="class 0, 'crow', which is none"):
            five_classes().relabelled(names, "the model")


def test_a_class_without_images_may_have_another_name():
    examples = dataclasses.replace(five_classes(), class_names=[*NAMES, "auk"])
    found = examples.relabelled(NAMES[::-1], "the model")
    assert found.labels.tolist() == [4, 3, 2, 1, 0, 2, 4]


def test_numbers_count_where_one_side_has_no_names():
    numbered = dataclasses.replace(five_classes(), class_names=list("01234"))
    for examples, names in (
        (numbered, NAMES),
        (five_classes(), list("01234")),
        (numbered, [*NAMES, "auk"]),
    ):
        found = examples.relabelled(names, "the model")
        assert found.labels.tolist() == examples.labels.tolist()
        assert found.class_names == names
    with pytest.raises(DataError, match="class 4, '4', which is none of the 4"):
        numbered.relabelled(NAMES[:4], "the model")


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
