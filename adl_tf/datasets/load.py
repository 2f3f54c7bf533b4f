"""The data sets by name."""

import os

from adl_tf.datasets.coco import coco
from adl_tf.datasets.cub import cub
from adl_tf.datasets.ilsvrc import ilsvrc
from adl_tf.datasets.join import with_boxes
from adl_tf.datasets.metadata import metadata
from adl_tf.errors import UsageError

DATASETS = ("synthetic_birds", "cub", "ilsvrc", "coco", "metadata")


def load_examples(dataset, data_dir, split, classes=None, boxes=None):
    """Reads one split of a data set.

    Args:
        dataset: One of `DATASETS`, or `"tfds:"` and a name of TensorFlow
            Datasets.
        data_dir: Its folder. `synthetic_birds` is drawn into it on first use
            and may be given `None` for a folder in the user's cache; `tfds:`
            may, for the folder that TensorFlow Datasets uses.
        split: `"train"`, `"test"` or another that the data set has.
        classes: Text such as `"1-25"` to keep and relabel these classes, or
            `None` for all.
        boxes: Folder of metadata files to take boxes from, for `tfds:`.

    Returns:
        `Examples`.

    Raises:
        UsageError: If there is no such data set or a folder is needed.
        DataError: If the data are missing or malformed.
    """
    data_dir = data_dir and os.path.expanduser(data_dir)
    readers = {
        "cub": cub,
        "ilsvrc": ilsvrc,
        "coco": coco,
        "metadata": metadata,
    }
    if boxes and not dataset.startswith("tfds:"):
        raise UsageError(f"--boxes means nothing with --dataset={dataset}")
    if dataset == "synthetic_birds":
        from adl_tf.datasets.synthetic_birds import synthetic_birds

        examples = synthetic_birds(data_dir or _cache(dataset), split)
    elif dataset.startswith("tfds:"):
        from adl_tf.datasets.tfds_reader import tfds_examples

        examples = tfds_examples(dataset.removeprefix("tfds:"), data_dir, split)
        if boxes:
            examples = with_boxes(examples, os.path.expanduser(boxes))
    elif dataset not in readers:
        raise UsageError(
            f"--dataset={dataset}: it must be one of {', '.join(DATASETS)} or "
            "tfds:NAME"
        )
    elif not data_dir:
        raise UsageError(f"--dataset={dataset} needs --data_dir")
    else:
        examples = readers[dataset](data_dir, split)
    return examples.of_classes(classes) if classes else examples


def _cache(dataset):
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(root, "adl_tf", dataset)
