"""Reader of data in COCO's format, for classifiers: one class an image.

    annotations/instances_<split>2017.json, instances_<split>.json, <split>.json
    <split>/_annotations.coco.json
    images: beside the annotations, in the data folder, in <split>2017/ or
    <split>/, in images/ or in a folder of that name there

An image is used if all its objects are of one class, which is its label. Crowds
are not counted. Images with no class or several are left out.
"""

import os
import re
import sys

import numpy as np

from adl_tf.datasets.examples import Examples
from adl_tf.datasets.reader import Reader
from adl_tf.datasets.splits import spellings
from adl_tf.errors import DataError
from adl_tf.text_files import read_json

SOURCE = (
    "a folder in COCO's layout holds annotations/instances_<split>.json and "
    "the images (see data/README.md)"
)
# Not empty; no control characters, no halves of a surrogate pair.
_LINE = r"\s*[^\s\x00-\x1f\x7f\ud800-\udfff][^\x00-\x1f\x7f\ud800-\udfff]*"


def coco(data_dir, split):
    """Reads a folder in COCO's layout.

    Args:
        data_dir: Folder with annotations and images.
        split: Name of the split. `"test"` is `"val"` where only that has
            annotations, as in COCO.

    Returns:
        `Examples` of the images with one class. Classes are numbered in the
        order of their ids. Boxes are x, y, x + width, y + height, as
        annotated. The number of images left out is printed to the standard
        error.

    Raises:
        DataError: If a file is missing or malformed.
    """
    path, stem = _annotations(data_dir, split)
    classes, images, objects = read_coco(path)
    numbers = {identity: number for number, identity in enumerate(classes)}
    used, labels, several, none = [], [], 0, 0
    for identity in images:
        found = {category for category, _ in objects[identity]}
        if len(found) == 1:
            used.append(identity)
            labels.append(numbers[found.pop()])
        elif found:
            several += 1
        else:
            none += 1
    if several or none:
        print(
            f"{path}: {len(used)} of {len(images)} images have objects of "
            f"one class; left out: {several} with several classes, {none} "
            "without an object",
            file=sys.stderr,
        )
    if not used:
        raise DataError(f"{path}: no image has objects of one class only")
    names = [images[identity][0] for identity in used]
    folder = _image_folder(data_dir, path, stem, names[0])
    examples = Examples(
        image_ids=names,
        paths=[os.path.join(folder, name) for name in names],
        labels=np.array(labels, np.int32),
        boxes=[
            np.array([box for _, box in objects[identity]], np.float32)
            for identity in used
        ],
        class_names=list(classes.values()),
        sizes=np.array([images[identity][1] for identity in used]),
    )
    examples.check_files(path, SOURCE)
    return examples


def coco_splits(data_dir):
    """The names of the usual splits that have annotations.

    Args:
        data_dir: As for `coco`.

    Returns:
        List of text.
    """
    return [
        name
        for name in ("train", "val", "test")
        if any(map(os.path.isfile, _places(data_dir, name)))
    ]


COCO = Reader(coco, coco_splits)


def read_coco(path):
    """Reads the annotations of a split.

    Args:
        path: JSON file.

    Returns:
        Tuple of three dictionaries by ids: names of classes, in the order of
        the ids; file name and (width, height) of images, in the file's
        order; lists of (id of the class, (x0, y0, x1, y1)) of the objects of
        each image, without crowds.

    Raises:
        DataError: If the file is not of this format. The message names the
            list and the entry.
    """
    content = read_json(path, SOURCE)
    classes, images, objects, file_names = {}, {}, {}, set()
    for entry in _entries(path, content, "categories"):
        identity, name = entry.whole("id"), entry.text("name")
        if identity in classes:
            raise entry.bad(f"id {identity} given twice")
        classes[identity] = name.strip()
    for entry in _entries(path, content, "images"):
        identity, name = entry.whole("id"), entry.text("file_name")
        if identity in images or name in file_names:
            raise entry.bad(f"image {identity}, '{name}', given twice")
        size = entry.whole("width"), entry.whole("height")
        if min(size) < 1:
            raise entry.bad("an image without pixels")
        images[identity] = name, size
        objects[identity] = []
        file_names.add(name)
    for entry in _entries(path, content, "annotations"):
        image, category = entry.whole("image_id"), entry.whole("category_id")
        if image not in images:
            raise entry.bad(f"no image has the id {image}")
        if category not in classes:
            raise entry.bad(f"no category has the id {category}")
        if entry.fields.get("iscrowd") not in (None, 0, 1):
            raise entry.bad("iscrowd is neither 0 nor 1")
        if not entry.fields.get("iscrowd"):
            objects[image].append((category, entry.box("bbox")))
    return dict(sorted(classes.items())), images, objects


class _Entry:
    """One entry of a list, and the errors that name it."""

    def __init__(self, place, fields):
        self._place = place
        if not isinstance(fields, dict):
            raise self.bad("an object in braces expected")
        self.fields = fields

    def bad(self, reason):
        return DataError(f"{self._place}: {reason}")

    def whole(self, name):
        value = self.fields.get(name)
        if type(value) is not int or abs(value) >= 2**63:
            raise self.bad(f"{name} is not a whole number")
        return value

    def text(self, name):
        value = self.fields.get(name)
        # class_names.txt, which training writes, has a line for each.
        if not isinstance(value, str) or not re.fullmatch(_LINE, value):
            raise self.bad(f"{name} is not a line of text")
        return value

    def box(self, name):
        values = self.fields.get(name)
        if not (
            isinstance(values, list)
            and len(values) == 4
            and all(type(value) in (int, float) for value in values)
            and all(abs(value) < 1e9 for value in values)  # not NaN
        ):
            raise self.bad(f"{name} is not x, y, width, height")
        x, y, width, height = values
        if width < 0 or height < 0:
            raise self.bad("a box that ends before it begins")
        return x, y, x + width, y + height


def _entries(path, content, name):
    entries = content.get(name)
    if not isinstance(entries, list):
        raise DataError(f"{path}: no list '{name}'; {SOURCE}")
    for place, fields in enumerate(entries):
        yield _Entry(f"{path}: {name}[{place}]", fields)


def _annotations(data_dir, split):
    """Path of the annotations, and the name of the split in its file."""
    for name in (split, "val") if split == "test" else (split,):
        for path, stem in _places(data_dir, name).items():
            if os.path.isfile(path):
                return path, stem
    expected = os.path.join(data_dir, f"annotations/instances_{split}.json")
    raise DataError(f"no file {expected}; {SOURCE}")


def _places(data_dir, name):
    """Paths where the annotations of a split may be, and its name there."""
    return {
        os.path.join(data_dir, place): stem
        for spelling in spellings(name)
        for stem in (spelling, f"{spelling}2017", f"{spelling}2014")
        for place in (
            f"annotations/instances_{stem}.json",
            f"annotations/{stem}.json",
            f"{stem}/_annotations.coco.json",
        )
    }


def _image_folder(data_dir, path, stem, name):
    """The first of the usual folders that holds an image."""
    folders = (
        os.path.dirname(path),
        data_dir,
        os.path.join(data_dir, stem),
        os.path.join(data_dir, "images"),
        os.path.join(data_dir, "images", stem),
    )
    for folder in folders:
        if os.path.isfile(os.path.join(folder, name)):
            return folder
    raise DataError(
        f"image {name} of {path} is in none of {', '.join(folders)}; {SOURCE}"
    )
