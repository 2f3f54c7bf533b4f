"""Reader of CUB-200-2011 in the layout of its official archive."""

import dataclasses
import os

import numpy as np

from adl_tf.datasets.examples import Examples
from adl_tf.datasets.lines import numbers, read_fields
from adl_tf.datasets.metadata import metadata
from adl_tf.datasets.reader import Reader
from adl_tf.errors import DataError

SOURCE = (
    "CUB-200-2011 is at data.caltech.edu/records/65de6-vp158: extract "
    "CUB_200_2011.tgz and pass that folder as --data_dir"
)


def cub(data_dir, split):
    """Reads CUB-200-2011.

    Args:
        data_dir: The extracted folder `CUB_200_2011`, or the one above it.
        split: `"train"` or `"test"`, the official ones, or `"val"`: CUBV2, in
            the folder of that name beside `CUB_200_2011` or in `data_dir`,
            as `python -m data.cub.prepare` writes it.

    Returns:
        `Examples` with one box an image, as annotated: x, y, x + width,
        y + height, not clipped (a few reach past the edge of the image).

    Raises:
        DataError: If a file is missing or a line malformed.
    """
    if split not in ("train", "val", "test"):
        raise DataError(
            f"CUB has the splits train, val and test, not '{split}'"
        )
    root = _root(data_dir)
    class_names = _class_names(root)
    if split == "val":
        return _cubv2(root, class_names)
    files = _table(root, "images.txt", 2)
    labels = _table(root, "image_class_labels.txt", 2)
    boxes = _table(root, "bounding_boxes.txt", 5)
    splits = _table(root, "train_test_split.txt", 2)
    wanted = "1" if split == "train" else "0"
    image_ids, image_labels, image_boxes = [], [], []
    seen = set()
    for number, (bad, (image_id,)) in files.items():
        if image_id in seen:
            raise bad("image given twice")
        seen.add(image_id)
        for other in (labels, boxes, splits):
            if number not in other:
                raise bad("no label, box or split for this image")
        bad_split, (membership,) = splits[number]
        if membership not in ("0", "1"):
            raise bad_split("0 (test) or 1 (train) expected")
        if membership == wanted:
            image_ids.append(image_id)
            image_labels.append(_label(*labels[number], len(class_names)))
            image_boxes.append(_box(*boxes[number]))
    examples = Examples(
        image_ids=image_ids,
        paths=[os.path.join(root, "images", name) for name in image_ids],
        labels=np.array(image_labels, np.int32),
        boxes=image_boxes,
        class_names=class_names,
    )
    examples.check_files(os.path.join(root, "images.txt"), SOURCE)
    return examples


def cub_splits(data_dir):
    """Names of the splits in a folder.

    Args:
        data_dir: As for `cub`.

    Returns:
        List of text.
    """
    with_val = os.path.isdir(_cubv2_folder(_root(data_dir)))
    return ["train", "test", *(["val"] if with_val else [])]


CUB = Reader(cub, cub_splits)


def _root(data_dir):
    inner = os.path.join(data_dir, "CUB_200_2011")
    return inner if os.path.isdir(inner) else data_dir


def _table(root, name, count):
    """Dictionary from the first field to the error function and the others."""
    rows = {}
    path = os.path.join(root, name)
    for bad, (number, *fields) in read_fields(path, count, source=SOURCE):
        if number in rows:
            raise bad("number given twice")
        rows[number] = (bad, fields)
    return rows


def _class_names(root):
    names = []
    for number, (bad, (name,)) in _table(root, "classes.txt", 2).items():
        names.append(name.partition(".")[2])
        if number != str(len(names)):
            raise bad(f"class {len(names)} expected")
    return names


def _label(bad, fields, num_classes):
    (label,) = numbers(fields, int, bad)
    if not 1 <= label <= num_classes:
        raise bad(f"class not within 1-{num_classes}")
    return label - 1


def _box(bad, fields):
    x, y, width, height = numbers(fields, float, bad)
    if width < 0 or height < 0:
        raise bad("a box that ends before it begins")
    return np.array([[x, y, x + width, y + height]], "float32")


def _cubv2(root, class_names):
    """The images of CUBV2, whose classes are CUB's."""
    examples = metadata(
        _cubv2_folder(root),
        "val",
        num_classes=len(class_names),
        source="python -m data.cub.prepare downloads CUBV2",
    )
    return dataclasses.replace(examples, class_names=class_names)


def _cubv2_folder(root):
    beside = os.path.join(os.path.dirname(os.path.abspath(root)), "CUBV2")
    return beside if os.path.isdir(beside) else os.path.join(root, "CUBV2")
