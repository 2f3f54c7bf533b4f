"""Validation images that are kept out of training."""

import hashlib

import numpy as np
import pytest

from adl_tf.datasets.examples import Examples
from adl_tf.datasets.held_out import held_out
from adl_tf.datasets.load import load_examples
from adl_tf.errors import UsageError


def make(counts, order=None):
    ids = [f"c{c}/{i}.png" for c, n in enumerate(counts) for i in range(n)]
    ids = [ids[i] for i in order] if order is not None else ids
    labels = np.array([int(name[1]) for name in ids], np.int32)
    return Examples(
        image_ids=ids,
        paths=ids,
        labels=labels,
        boxes=[np.zeros((1, 4), np.float32)] * len(ids),
        class_names=[f"c{c}" for c in range(len(counts))],
    )


def test_smallest_hashes_of_each_class():
    examples = make([6, 4, 9])
    expected = set()
    for label in range(3):
        names = [n for n in examples.image_ids if n.startswith(f"c{label}/")]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        expected |= set(names[:3])
    val = held_out(examples, 3, "val")
    fit = held_out(examples, 3, "fit")
    assert set(val.image_ids) == expected
    assert set(fit.image_ids) == set(examples.image_ids) - expected
    assert np.bincount(val.labels).tolist() == [3, 3, 3]
    assert fit.class_names == examples.class_names
    assert fit.image_ids == [
        n for n in examples.image_ids if n in fit.image_ids
    ]


def test_the_same_in_any_order():
    order = np.random.default_rng(0).permutation(19)
    first = held_out(make([6, 4, 9]), 2, "val")
    second = held_out(make([6, 4, 9], order), 2, "val")
    assert set(first.image_ids) == set(second.image_ids)


def test_classes_without_images_are_none_of_its_business():
    assert len(held_out(make([6, 0, 9]), 2, "val")) == 4


@pytest.mark.parametrize(
    ("count", "reason"), [(0, "holds out 0"), (4, "none of the 4 of 'c1'")]
)
def test_refused(count, reason):
    with pytest.raises(UsageError, match=reason):
        held_out(make([6, 4, 9]), count, "val")


def test_by_the_name_of_the_split(data_dir):
    def ids(split, classes=None):
        loaded = load_examples("metadata", str(data_dir), split, classes)
        return set(loaded.image_ids)

    val, fit = ids("train-val3"), ids("train-fit3")
    assert len(val) == 6 and len(fit) == 18 and not val & fit
    assert val | fit == ids("train")
    assert ids("train-val3", "2") < val


def test_a_split_of_that_name_comes_first(data_dir, tmp_path):
    folder = tmp_path / "metadata" / "train-val3"
    folder.mkdir(parents=True)
    for path in (data_dir / "metadata" / "test").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "test").symlink_to(data_dir / "test")
    examples = load_examples("metadata", str(tmp_path), "train-val3")
    assert len(examples) == 9
