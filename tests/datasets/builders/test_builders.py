"""Our TFDS builders on dummy data, by TFDS's own tests and by value."""

import importlib
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from adl_tf.datasets.builders.wsol import merged_masks
from adl_tf.datasets.cub import cub
from adl_tf.datasets.fetching import read_checksums
from adl_tf.datasets.preparation import build
from adl_tf.errors import DataError


def builder_class(name):
    return importlib.import_module(
        f"adl_tf.datasets.builders.{name}.{name}_dataset_builder"
    ).Builder


class Drawer:
    """Makes a folder as `data/<name>/prepare.py` leaves it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self._random = np.random.default_rng(0)

    def text(self, name, rows):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{row}\n" for row in rows))

    def image(self, name):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = self._random.integers(0, 256, (10, 20, 3), np.uint8)
        assert cv2.imwrite(str(path), pixels)

    def split(self, split, rows, folder="."):
        """A split: for each image its path, class and annotations."""
        target = f"{folder}/metadata/{split}"
        for path, *_ in rows:
            self.image(f"{folder}/{path}")
        self.text(f"{target}/image_ids.txt", [row[0] for row in rows])
        self.text(
            f"{target}/class_labels.txt", [f"{row[0]},{row[1]}" for row in rows]
        )
        self.text(
            f"{target}/image_sizes.txt", [f"{row[0]},20,10" for row in rows]
        )
        self.text(
            f"{target}/localization.txt",
            [f"{path},{each}" for path, _, *more in rows for each in more],
        )


def draw_cub(root):
    draw = Drawer(root)
    names = ["001.Crow/1.jpg", "200.Wren/2.jpg", "001.Crow/3.jpg"]
    for name in names:
        draw.image(f"CUB_200_2011/images/{name}")
    classes = ["1 001.Crow"] + [f"{n} {n:03d}.Bird_{n}" for n in range(2, 201)]
    for name, rows in {
        "classes": classes,
        "images": [f"{n} {name}" for n, name in enumerate(names, 1)],
        "image_class_labels": ["1 1", "2 200", "3 1"],
        # The third reaches past the right edge.
        "bounding_boxes": ["1 4.0 2.0 8.0 5.0", "2 0 0 20 10", "3 5 5 16.5 4"],
        "train_test_split": ["1 1", "2 1", "3 0"],
    }.items():
        draw.text(f"CUB_200_2011/{name}.txt", rows)
    draw.split("val", [("001.Crow/11.jpg", 0, "1,2,11,6")], "CUBV2")


def draw_ilsvrc(root):
    draw = Drawer(root)
    draw.split("train", [(f"train/n{n}/1.JPEG", n) for n in (0, 7)])
    draw.split("val", [("val2/7/ab.jpeg", 7, "1,2,11,6", "0,0,19,9")])
    draw.split("test", [("val/a.JPEG", 65, "1,2,3,4"), ("val/b.JPEG", 999)])


def draw_openimages(root):
    draw = Drawer(root)
    draw.split("train", [(f"train/0{n:02d}/a.jpg", n) for n in range(8)])
    for split in ("val", "test"):
        name = f"{split}/007/b"
        rows = (f"{name}_m1.png,{name}_ignore.png", f"{name}_m2.png,")
        draw.split(split, [(f"{name}.jpg", 7, *rows)])
        for kind, corner in (("m1", 0), ("m2", 3), ("ignore", 6)):
            mask = np.zeros((5, 10), np.uint8)
            mask[corner // 2, corner : corner + 2] = 1
            cv2.imwrite(str(draw.root / f"{name}_{kind}.png"), mask)


DRAWN = {
    "cub_wsol": draw_cub,
    "ilsvrc_wsol": draw_ilsvrc,
    "openimages_wsol": draw_openimages,
}


class Dummy(tfds.testing.DatasetBuilderTestCase):
    """The tests of TFDS; `NAME` and `SPLITS` are those of the data set."""

    __test__ = False

    @classmethod
    def setUpClass(cls):
        cls.DATASET_CLASS = builder_class(cls.NAME)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = folder.name
        DRAWN[cls.NAME](folder.name)
        super().setUpClass()


class TestCub(Dummy):
    __test__ = True
    NAME = "cub_wsol"
    SPLITS = {"train": 2, "val": 1, "test": 1}


class TestIlsvrc(Dummy):
    __test__ = True
    NAME = "ilsvrc_wsol"
    SPLITS = {"train": 2, "val": 1, "test": 2}


class TestOpenImages(Dummy):
    __test__ = True
    NAME = "openimages_wsol"
    SPLITS = {"train": 8, "val": 1, "test": 1}


@pytest.fixture
def built(tmp_path):
    """Function that builds a data set by name; returns the builder."""

    def call(name):
        DRAWN[name](tmp_path / "manual")
        manual, folder = str(tmp_path / "manual"), str(tmp_path / "tfds")
        return build(name, manual, folder, ["train", "val", "test"])

    return call


def examples(builder, split, **options):
    dataset = builder.as_dataset(split=split, **options)
    found = {each["file_name"]: each for each in tfds.as_numpy(dataset)}
    return {name.decode(): example for name, example in found.items()}


def test_cub_by_value(built, tmp_path):
    builder = built("cub_wsol")
    train = examples(builder, "train")
    crow = train["001.Crow/1.jpg"]
    assert crow["size"].tolist() == [20, 10]
    assert crow["objects"]["pixels"].tolist() == [[4, 2, 12, 7]]
    np.testing.assert_allclose(
        crow["objects"]["bbox"], [[0.2, 0.2, 0.7, 0.6]], rtol=1e-6
    )
    assert train["200.Wren/2.jpg"]["label"] == 199
    assert builder.info.features["label"].int2str(0) == "Crow"
    # TFDS's box ends at the edge, ours where it was drawn.
    (test,) = examples(builder, "test").values()
    assert test["objects"]["pixels"].tolist() == [[5, 5, 21.5, 9]]
    np.testing.assert_allclose(
        test["objects"]["bbox"], [[0.5, 0.25, 0.9, 1.0]], rtol=1e-6
    )
    # CUBV2's boxes are corners.
    (val,) = examples(builder, "val").values()
    assert val["objects"]["pixels"].tolist() == [[1, 2, 11, 6]]
    # The file as it is, not encoded anew.
    skip = {"image": tfds.decode.SkipDecoding()}
    (val,) = examples(builder, "val", decoders=skip).values()
    original = tmp_path / "manual" / "CUBV2" / "001.Crow" / "11.jpg"
    assert val["image"] == original.read_bytes()


def test_ilsvrc_by_value(built):
    builder = built("ilsvrc_wsol")
    (val,) = examples(builder, "val").values()
    assert val["objects"]["pixels"].tolist() == [[1, 2, 11, 6], [0, 0, 19, 9]]
    test = examples(builder, "test")
    assert test["val/a.JPEG"]["label"] == 65
    # The first and the last WordNet number of the challenge.
    label = builder.info.features["label"]
    assert [label.int2str(n) for n in (0, 999)] == ["n01440764", "n15075141"]
    assert test["val/b.JPEG"]["objects"]["bbox"].shape == (0, 4)


def test_openimages_by_value(built):
    builder = built("openimages_wsol")
    assert builder.info.features["label"].int2str(7) == "007"
    (val,) = examples(builder, "val").values()
    # Both masks, and what is to be left out.
    mask = np.zeros((5, 10), np.uint8)
    mask[0, 0:2] = mask[1, 3:5] = 255
    assert val["segmentation_mask"][..., 0].tolist() == mask.tolist()
    ignored = np.zeros((5, 10), np.uint8)
    ignored[3, 6:8] = 255
    assert val["ignore_mask"][..., 0].tolist() == ignored.tolist()
    train = examples(builder, "train")["train/007/a.jpg"]
    assert train["segmentation_mask"].tolist() == [[[0]]]


def test_masks_of_different_sizes_are_stretched(tmp_path):
    small, large = np.zeros((2, 2), np.uint8), np.zeros((4, 6), np.uint8)
    small[0, 0] = large[3, 5] = 9
    paths = [str(tmp_path / name) for name in ("small.png", "large.png")]
    for path, mask in zip(paths, (small, large)):
        cv2.imwrite(path, mask)
    expected = np.zeros((4, 6), np.uint8)
    expected[:2, :3] = expected[3, 5] = 255
    assert merged_masks(paths)[..., 0].tolist() == expected.tolist()
    (tmp_path / "small.png").write_bytes(b"")
    with pytest.raises(DataError, match="small.png cannot be read"):
        merged_masks(paths)


def test_a_folder_that_prepare_did_not_make(tmp_path):
    with pytest.raises(DataError, match="give the folder that data/<name>"):
        build("ilsvrc_wsol", str(tmp_path), str(tmp_path / "tfds"), ["val"])


def test_a_split_that_came_later(tmp_path):
    later = tmp_path / "later"
    draw_ilsvrc(tmp_path / "manual")
    (tmp_path / "manual" / "metadata" / "train").rename(later)
    manual, folder = str(tmp_path / "manual"), str(tmp_path / "tfds")
    build("ilsvrc_wsol", manual, folder, ["val", "test"])
    later.rename(tmp_path / "manual" / "metadata" / "train")
    with pytest.raises(DataError, match="already, without train: remove it"):
        build("ilsvrc_wsol", manual, folder, ["train"])


@pytest.mark.parametrize("name", DRAWN)
def test_checksums_are_well_formed(name):
    folder = pathlib.Path(builder_class(name).code_path).parent
    if not (folder / "checksums.tsv").exists():
        assert name == "openimages_wsol"  # none is published
        return
    for checksum in read_checksums(folder / "checksums.tsv").values():
        assert checksum.size > 1e9
        assert len(bytes.fromhex(checksum.sha256)) == 32


@pytest.mark.slow
def test_tfds_loads_it_without_our_code(built, tmp_path):
    built("cub_wsol")
    code = (
        "import tensorflow_datasets as tfds\n"
        f"data = tfds.load('cub_wsol', data_dir={str(tmp_path / 'tfds')!r})\n"
        "print(*(f'{split}={len(each)}' for split, each in data.items()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert sorted(done.stdout.split()) == ["test=1", "train=2", "val=1"]


@pytest.mark.slow
def test_the_command_of_tfds(tmp_path):
    for needed in ("apache_beam", "mlcroissant"):
        reason = f"the command tfds imports {needed}, which is not installed"
        pytest.importorskip(needed, reason=reason)
    draw_cub(tmp_path / "manual")
    folder = pathlib.Path(builder_class("cub_wsol").code_path).parent
    subprocess.run(
        [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", "build"]
        + [str(folder), f"--manual_dir={tmp_path / 'manual'}"]
        + [f"--data_dir={tmp_path / 'tfds'}"],
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "tfds" / "cub_wsol" / "1.0.0" / "features.json").exists()


@pytest.mark.slow
@pytest.mark.real_data
def test_first_classes_of_cub(test_data, tmp_path):
    builder = build(
        "cub_wsol", str(test_data), str(tmp_path), ["train", "test"]
    )
    splits = builder.info.splits
    assert splits["train"].num_examples == 750
    assert splits["test"].num_examples == 652
    skip = {"image": tfds.decode.SkipDecoding()}
    built = examples(builder, "test", decoders=skip)
    read = cub(str(test_data), "test")
    for index, image_id in enumerate(read.image_ids):
        example = built.pop(image_id)
        assert example["label"] == read.labels[index]
        pixels = example["objects"]["pixels"]
        np.testing.assert_array_equal(pixels, read.boxes[index])
        assert example["image"] == pathlib.Path(read.paths[index]).read_bytes()
    assert not built
