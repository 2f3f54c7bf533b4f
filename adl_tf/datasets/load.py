"""The data sets by name."""

import functools
import os
import re

from adl_tf.datasets.coco import coco, coco_splits
from adl_tf.datasets.cub import cub, cub_splits
from adl_tf.datasets.held_out import held_out
from adl_tf.datasets.ilsvrc import ilsvrc, ilsvrc_splits
from adl_tf.datasets.join import with_boxes
from adl_tf.datasets.metadata import metadata, metadata_splits
from adl_tf.errors import UsageError

DATASETS = ("synthetic_birds", "cub", "ilsvrc", "coco", "metadata")
# The order in which splits are looked at; others follow.
USUAL_SPLITS = ("train", "val", "test")


def load_examples(dataset, data_dir, split, classes=None, boxes=None):
    """Reads one split of a data set.

    Args:
        dataset: One of `DATASETS`, or `"tfds:"` and a name of TensorFlow
            Datasets.
        data_dir: Its folder. `synthetic_birds` is drawn into it on first use
            and may be given `None` for a folder in the user's cache; `tfds:`
            may, for the folder that TensorFlow Datasets uses.
        split: `"train"`, `"test"` or another that the data set has; or a part
            of it: `"train-val5"`, 5 images of each class, and `"train-fit5"`,
            all others (see `held_out`).
        classes: Text such as `"1-25"` to keep and relabel these classes, or
            `None` for all.
        boxes: Folder of metadata files to take boxes from, for `tfds:`.

    Returns:
        `Examples`.

    Raises:
        UsageError: If there is no such data set or a folder is needed.
        DataError: If the data are missing or malformed.
    """
    if boxes and not dataset.startswith("tfds:"):
        raise UsageError(f"--boxes means nothing with --dataset={dataset}")
    folder, read, list_splits = _reader(dataset, data_dir)
    part = re.fullmatch(r"(.+)-(fit|val)(\d+)", split)
    if part and split not in list_splits(folder):
        whole, kind, count = part.groups()
        examples = held_out(read(folder, whole), int(count), kind)
    else:
        examples = read(folder, split)
    if boxes:
        examples = with_boxes(examples, os.path.expanduser(boxes))
    return examples.of_classes(classes) if classes else examples


def split_names(dataset, data_dir):
    """Names of the splits that a data set has.

    Args:
        dataset: As for `load_examples`.
        data_dir: As for `load_examples`.

    Returns:
        List of text, in the order of `USUAL_SPLITS`; `["train"]` where there
        is none, so that reading it tells what is missing.

    Raises:
        UsageError: If there is no such data set or a folder is needed.
        DataError: If it is one of TensorFlow Datasets and not prepared.
    """
    folder, _, list_splits = _reader(dataset, data_dir)
    found = sorted(list_splits(folder))
    usual = [name for name in USUAL_SPLITS if name in found]
    others = [name for name in found if name not in usual]
    return [*usual, *others] or ["train"]


def _reader(dataset, data_dir):
    """Folder of a data set, and functions that read and list its splits."""
    data_dir = data_dir and os.path.expanduser(data_dir)
    readers = {
        "cub": (cub, cub_splits),
        "ilsvrc": (ilsvrc, ilsvrc_splits),
        "coco": (coco, coco_splits),
        "metadata": (metadata, metadata_splits),
    }
    if dataset == "synthetic_birds":
        from adl_tf.datasets.synthetic_birds.reader import (
            SPLITS,
            synthetic_birds,
        )

        return data_dir or _cache(dataset), synthetic_birds, lambda _: SPLITS
    if dataset.startswith("tfds:"):
        from adl_tf.datasets.tfds_reader import tfds_examples, tfds_splits

        name = dataset.removeprefix("tfds:")
        return (
            data_dir,
            functools.partial(tfds_examples, name),
            functools.partial(tfds_splits, name),
        )
    if dataset not in readers:
        raise UsageError(
            f"--dataset={dataset}: it must be one of {', '.join(DATASETS)} or "
            "tfds:NAME"
        )
    if not data_dir:
        raise UsageError(f"--dataset={dataset} needs --data_dir")
    return (data_dir, *readers[dataset])


def _cache(dataset):
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(root, "adl_tf", dataset)
