"""Unpacks ImageNet-1k, downloads ImageNetV2, checks that nothing is missing.

    python -m data.ilsvrc.prepare --data_dir=FOLDER --splits=val,test

The split train is ImageNet's own (148 GB), test is its validation images with
all their boxes, and val is ImageNetV2 (threshold 0.7). ImageNet's archives have
to be downloaded by hand, after a registration. After an interruption the same
command resumes.
"""

import os

from adl_tf.datasets.fetching import RemoteFile
from adl_tf.datasets.ilsvrc import NUM_CLASSES, ilsvrc
from adl_tf.datasets.preparation import (
    Counts,
    archive,
    complete,
    metadata_files,
    write_image_sizes,
)
from adl_tf.datasets.unpacking import unpack
from adl_tf.errors import DataError
from adl_tf.files import write_whole
from data.command import run

EXPECTED = {
    "train": Counts(1281167),
    "val": Counts(10000, boxes=18532),
    "test": Counts(50000, boxes=80477),
}


def _registered(name, what):
    return RemoteFile(
        name,
        f"http://www.image-net.org/challenges/LSVRC/2012/nnoupb/{name}",
        by_hand="register at https://image-net.org, download the "
        f"{what} images (all tasks) of ILSVRC2012 and put {name} there",
        registered=True,
    )


TRAINING = _registered("ILSVRC2012_img_train.tar", "training")
VALIDATION = _registered("ILSVRC2012_img_val.tar", "validation")
IMAGENET_V2 = RemoteFile(
    "imagenetv2-threshold0.7.tar.gz",
    "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/"
    "imagenetv2-threshold0.7.tar.gz",
)
# Archive, folder for it, folder in it to take.
SOURCES = {
    "train": (TRAINING, "train", ""),
    "val": (IMAGENET_V2, "val2", "imagenetv2-threshold0.7-format-val"),
    "test": (VALIDATION, "val", ""),
}


def prepare(data_dir, splits):
    """Completes the folder; an error says what has to be done by hand."""

    def download(split):
        remote, folder, inner = SOURCES[split]
        path = archive(data_dir, "ilsvrc_wsol", remote)
        unpack(path, os.path.join(data_dir, folder), inner)
        if split == "train":
            write_training_labels(data_dir)
            write_image_sizes(data_dir, split)
        else:
            metadata_files(data_dir, data_dir, "ILSVRC", split)

    complete(splits, lambda split: ilsvrc(data_dir, split), EXPECTED, download)


def write_training_labels(data_dir):
    """Numbers the training images' classes in the order of their folders.

    Args:
        data_dir: Folder with `train/<WordNet number>/*.JPEG`.

    Raises:
        DataError: If there are not 1000 folders.
    """
    root = os.path.join(data_dir, "train")
    folders = sorted(each.name for each in os.scandir(root) if each.is_dir())
    if len(folders) != NUM_CLASSES:
        raise DataError(
            f"{root} has {len(folders):,} folders instead of {NUM_CLASSES:,}"
        )
    labels = {
        f"train/{folder}/{name}": label
        for label, folder in enumerate(folders)
        for name in sorted(os.listdir(os.path.join(root, folder)))
        if name.endswith(".JPEG")
    }
    target = os.path.join(data_dir, "metadata", "train")
    os.makedirs(target, exist_ok=True)
    write_whole(
        os.path.join(target, "image_ids.txt"),
        "".join(f"{each}\n" for each in labels),
    )
    write_whole(
        os.path.join(target, "class_labels.txt"),
        "".join(f"{each},{label}\n" for each, label in labels.items()),
    )


if __name__ == "__main__":
    run(prepare, "ilsvrc")
