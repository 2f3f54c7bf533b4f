"""The commands in `data/`, on data sets of a few images."""

import importlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile

import cv2
import numpy as np
import pytest

from adl_tf.datasets import preparation
from adl_tf.datasets.cub import cub
from adl_tf.datasets.fetching import RemoteFile
from adl_tf.datasets.ilsvrc import ilsvrc
from adl_tf.datasets.image_sizes import image_sizes
from adl_tf.datasets.metadata import metadata
from adl_tf.datasets.preparation import Counts
from adl_tf.errors import DataError


def image(width=12, height=9, kind=".jpg"):
    pixels = np.full((height, width, 3), 200, np.uint8)
    return cv2.imencode(kind, pixels)[1].tobytes()


def tar(files, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def lines(*rows):
    return "".join(f"{row}\n" for row in rows).encode()


@pytest.fixture
def publish(publisher, monkeypatch):
    """Function that puts files where a command looks for them."""

    def call(command, archives, annotations, expected):
        module = importlib.import_module(f"data.{command}.prepare")
        monkeypatch.setattr(module, "EXPECTED", expected)
        monkeypatch.setattr(preparation, "METADATA_URL", publisher.url)
        for name, content in archives.items():
            remote = getattr(module, name)
            here = RemoteFile(remote.name, f"{publisher.url}/{remote.name}")
            monkeypatch.setattr(module, name, here)
            publisher.files[f"/{remote.name}"] = content
        for path, content in annotations.items():
            publisher.files[f"/{path}.txt"] = content
        return module

    return call


CUB_FILES = {
    "CUB_200_2011/classes.txt": lines("1 001.Crow", "2 002.Finch"),
    "CUB_200_2011/images.txt": lines("1 001.Crow/1.jpg", "2 002.Finch/2.jpg"),
    "CUB_200_2011/image_class_labels.txt": lines("1 1", "2 2"),
    "CUB_200_2011/bounding_boxes.txt": lines("1 1.0 2.0 3.0 4.0", "2 0 0 5 5"),
    "CUB_200_2011/train_test_split.txt": lines("1 1", "2 0"),
    "CUB_200_2011/images/001.Crow/1.jpg": image(),
    "CUB_200_2011/images/002.Finch/2.jpg": image(),
    "attributes.txt": b"",
}
CUB_EXPECTED = {
    "train": Counts(1, boxes=1),
    "val": Counts(2, boxes=2),
    "test": Counts(1, boxes=1),
}
NAMES = ("001.Crow/11.jpg", "002.Finch/12.jpg")


def cub_annotations(*boxes):
    def file(*rows):
        return lines(*(f"{name},{row}" for name, row in zip(NAMES, rows)))

    return {
        "CUB/val/image_ids": lines(*NAMES),
        "CUB/val/class_labels": file("0", "1"),
        "CUB/val/image_sizes": file("640,480", "640,480"),
        "CUB/val/localization": file(*boxes),
    }


@pytest.fixture
def cub_command(publish):
    return publish(
        "cub",
        {
            "CUB": tar(CUB_FILES, "w:gz"),
            "CUBV2": tar({name: image() for name in NAMES}),
        },
        cub_annotations("176,136,459,291", "44,183,426,254"),
        CUB_EXPECTED,
    )


def test_cub_goes_on_after_anything(cub_command, publisher, tmp_path, capsys):
    # Nothing there and a broken connection: what can be had is had.
    publisher.breaks["/CUBV2.tar"] = [3000, 0]
    with pytest.raises(DataError, match="CUBV2.tar .* 3,000 bytes are here"):
        cub_command.prepare(str(tmp_path), ["train", "val", "test"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["train", "images", "1", "1"] in rows
    assert ["val", "images", "0", "2"] in rows
    assert ["test", "boxes", "1", "1"] in rows
    publisher.requests.clear()
    cub_command.prepare(str(tmp_path), ["train", "val", "test"])
    assert publisher.requests == [("/CUBV2.tar", 3000)]
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["val", "boxes", "2", "2"] in rows
    # What is complete is left alone, even without archives and network.
    publisher.requests.clear()
    (tmp_path / "archives" / "CUB_200_2011.tgz").unlink()
    cub_command.prepare(str(tmp_path), ["train", "val", "test"])
    assert not publisher.requests
    assert not list(tmp_path.rglob("*.partial"))
    assert not (tmp_path / "CUB_200_2011" / "attributes.txt").exists()
    # The readers take it as it is.
    assert len(cub(str(tmp_path), "train")) == 1
    val = metadata(str(tmp_path / "CUBV2"), "val")
    assert val.boxes[0].tolist() == [[176, 136, 459, 291]]


def test_a_lost_image_is_brought_back(cub_command, publisher, tmp_path):
    cub_command.prepare(str(tmp_path), ["train"])
    path = tmp_path / "CUB_200_2011" / "images" / "001.Crow" / "1.jpg"
    path.unlink()
    publisher.requests.clear()
    cub_command.prepare(str(tmp_path), ["train"])
    assert path.exists()
    assert not publisher.requests


def test_other_counts_are_refused(cub_command, monkeypatch, tmp_path, capsys):
    expected = {"val": Counts(2, boxes=3)}
    monkeypatch.setattr(cub_command, "EXPECTED", expected)
    with pytest.raises(DataError, match="^val has 2 boxes instead of 3$"):
        cub_command.prepare(str(tmp_path), ["val"])
    assert capsys.readouterr().out.split()[-4:] == ["val", "boxes", "2", "3"]


def test_widths_and_heights_are_no_corners(cub_command, publisher, tmp_path):
    # The rows of release/CUBV2_boxes.txt for the two images of
    # `cub_command`'s boxes: its header says x0,y0,x1,y1.
    annotations = cub_annotations("176,136,282,155", "44,183,381,70")
    for path, content in annotations.items():
        publisher.files[f"/{path}.txt"] = content
    with pytest.raises(DataError, match="localization.txt:2: a box that ends"):
        cub_command.prepare(str(tmp_path), ["val"])


def split_files(prefix, rows):
    """Annotations of images, each a tuple of path, class and boxes."""
    return {
        f"{prefix}/image_ids": lines(*(path for path, *_ in rows)),
        f"{prefix}/class_labels": lines(
            *(f"{path},{label}" for path, label, *_ in rows)
        ),
        f"{prefix}/image_sizes": lines(*(f"{path},12,9" for path, *_ in rows)),
        f"{prefix}/localization": lines(
            *(f"{path},{box}" for path, _, *boxes in rows for box in boxes)
        ),
    }


@pytest.fixture
def ilsvrc_command(publish, publisher, monkeypatch):
    command = publish(
        "ilsvrc",
        {},
        split_files("ILSVRC/test", [("val/a.JPEG", 65, "1,2,3,4", "5,5,6,6")])
        | split_files("ILSVRC/val", [("val2/7/ab.jpeg", 7, "1,2,3,4")]),
        {
            "train": Counts(1000),
            "val": Counts(1, boxes=1),
            "test": Counts(1, boxes=2),
        },
    )
    remote, *rest = command.SOURCES["val"]
    here = RemoteFile(remote.name, f"{publisher.url}/{remote.name}")
    monkeypatch.setitem(command.SOURCES, "val", (here, *rest))
    publisher.files[f"/{remote.name}"] = tar(
        {"imagenetv2-threshold0.7-format-val/7/ab.jpeg": image()}, "w:gz"
    )
    return command


def test_imagenet_needs_hands(ilsvrc_command, publisher, tmp_path, capsys):
    with pytest.raises(DataError) as caught:
        ilsvrc_command.prepare(str(tmp_path), ["train", "val", "test"])
    archives = tmp_path / "archives"
    for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"):
        missing = f"{archives / name} is missing: register at"
        assert missing in str(caught.value)
    # ImageNetV2 is for everybody.
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["val", "boxes", "1", "1"] in rows
    assert ilsvrc(str(tmp_path), "val").labels.tolist() == [7]
    # Something else under that name is not taken.
    (archives / "ILSVRC2012_img_val.tar").write_bytes(b"no")
    with pytest.raises(DataError, match="2 bytes instead of 6,744,924,160"):
        ilsvrc_command.prepare(str(tmp_path), ["test"])


def test_imagenet_brought_by_hand(ilsvrc_command, monkeypatch, tmp_path):
    monkeypatch.setattr(preparation, "read_checksums", lambda path: {})
    folders = [f"n{number:08d}" for number in range(1000)]
    training = {
        f"{folder}.tar": tar({f"{folder}_1.JPEG": image(20, 10)})
        for folder in reversed(folders)
    }
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / "ILSVRC2012_img_train.tar").write_bytes(tar(training))
    (archives / "ILSVRC2012_img_val.tar").write_bytes(tar({"a.JPEG": image()}))
    ilsvrc_command.prepare(str(tmp_path), ["train", "test"])
    test = ilsvrc(str(tmp_path), "test")
    assert test.labels.tolist() == [65]
    assert [len(boxes) for boxes in test.boxes] == [2]
    # Classes are numbered in the order of their WordNet numbers.
    train = ilsvrc(str(tmp_path), "train")
    assert train.labels.tolist() == list(range(1000))
    assert train.image_ids[7] == "train/n00000007/n00000007_1.JPEG"
    assert (train.sizes == [20, 10]).all()


def test_openimages(publish, publisher, tmp_path):
    names = {split: f"{split}/0bt_c3/1" for split in ("train", "val")}
    masks = {
        f"{names['val']}_{kind}.png": image(6, 5, ".png")
        for kind in ("m1", "m2", "ignore")
    }
    annotations = split_files(
        "OpenImages/train", [(f"{names['train']}.jpg", 0)]
    ) | split_files(
        "OpenImages/val",
        [
            (
                f"{names['val']}.jpg",
                0,
                f"{names['val']}_m1.png,{names['val']}_ignore.png",
                f"{names['val']}_m2.png,",
            )
        ],
    )
    # None is published.
    del annotations["OpenImages/val/image_sizes"]
    command = publish(
        "openimages",
        {
            "IMAGES": zipped(
                {f"{name}.jpg": image(20, 10) for name in names.values()}
            ),
            "MASKS": zipped(masks),
        },
        annotations,
        {"train": Counts(1), "val": Counts(1, masks=2)},
    )
    command.prepare(str(tmp_path), ["train", "val"])
    val = metadata(str(tmp_path), "val")
    assert val.sizes.tolist() == [[20, 10]]
    assert len(val.masks[0]) == 2
    # A mask that is lost is brought back.
    for path in (val.masks[0][1], val.ignored[0]):
        os.remove(path)
        command.prepare(str(tmp_path), ["val"])
        assert os.path.isfile(path)


def test_sizes_come_from_the_files(tmp_path):
    (tmp_path / "a.jpg").write_bytes(image(31, 17))
    (tmp_path / "b.png").write_bytes(image(5, 6, ".png"))
    paths = [str(tmp_path / name) for name in ("a.jpg", "b.png")]
    assert image_sizes(paths).tolist() == [[31, 17], [5, 6]]
    (tmp_path / "b.png").write_bytes(b"<html>")
    with pytest.raises(DataError, match="b.png cannot be read"):
        image_sizes(paths)


@pytest.mark.parametrize(
    ("flags", "status", "text"),
    [
        (["--help"], 0, "--data_dir"),
        (["--splits=test,dev"], 2, "--splits=test,dev: some of train, val"),
        (["--splits=test"], 1, "ILSVRC2012_img_val.tar is missing: register"),
    ],
)
def test_the_command(tmp_path, flags, status, text):
    done = subprocess.run(
        [sys.executable, "-m", "data.ilsvrc.prepare", *flags]
        + [f"--data_dir={tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    output = done.stderr if status else done.stdout
    assert text in output
    assert status == 0 or output.count("\n") == 1
