"""Examples of a data set, by name and split."""

import os
import re

from adl_tf.datasets.held_out import held_out
from adl_tf.datasets.join import with_boxes
from adl_tf.errors import UsageError
from adl_tf.registry import DATASETS

# The order in which splits are looked at; others follow.
USUAL_SPLITS = ("train", "val", "test")


def load_split(settings, split):
    """Reads one split of the data set that the settings of a run name.

    Args:
        settings: `Settings`.
        split: As for `load_examples`.

    Returns:
        `Examples`.

    Raises:
        UsageError: As `load_examples`.
        DataError: As `load_examples`.
    """
    return load_examples(
        settings.dataset,
        settings.data_dir,
        split,
        settings.classes,
        settings.boxes,
    )


def load_examples(dataset, data_dir, split, classes=None, boxes=None):
    """Reads one split of a data set.

    Args:
        dataset: Name in `adl_tf.registry.DATASETS`, or `"tfds:"` and a name
            of TensorFlow Datasets.
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
    if boxes and not DATASETS.has_prefix(dataset):
        raise UsageError(f"--boxes is not for --dataset={dataset}")
    reader, folder = _reader(dataset, data_dir)
    part = re.fullmatch(r"(.+)-(fit|val)(\d+)", split)
    if part and split not in reader.splits(folder):
        whole, kind, count = part.groups()
        examples = held_out(reader.read(folder, whole), int(count), kind)
    else:
        examples = reader.read(folder, split)
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
        is none, so that reading it reports what is missing.

    Raises:
        UsageError: If there is no such data set or a folder is needed.
        DataError: If it is one of TensorFlow Datasets and not prepared.
    """
    reader, folder = _reader(dataset, data_dir)
    found = sorted(reader.splits(folder))
    usual = [name for name in USUAL_SPLITS if name in found]
    others = [name for name in found if name not in usual]
    return [*usual, *others] or ["train"]


def _reader(dataset, data_dir):
    """The `Reader` of a data set, and the folder that it reads."""
    if dataset not in DATASETS:
        raise UsageError(
            f"--dataset={dataset}: it must be one of "
            f"{', '.join(DATASETS.choices())}"
        )
    reader = DATASETS[dataset]
    if reader.needs_folder and not data_dir:
        raise UsageError(f"--dataset={dataset} needs --data_dir")
    return reader, data_dir and os.path.expanduser(data_dir)
