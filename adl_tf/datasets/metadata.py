"""Reader of any folder of images with text files beside it.

    image_ids.txt       path
    class_labels.txt    path,class number from 0
    image_sizes.txt     path,width,height
    localization.txt    path,x0,y0,x1,y1        one line a box
                        path,mask[,ignored]     or one line a mask
    class_names.txt     name                    optional

The files are in `metadata/<split>/`, or in `metadata/` itself if there is only
one split. Paths are relative to the data folder. Boxes or masks are needed for
scoring, not for training. A mask is a PNG file whose values above 0 are the
object; `ignored`, with an image's first mask or empty, is one of pixels that
are not scored.
"""

import os

import numpy as np

from adl_tf.datasets.examples import Examples
from adl_tf.datasets.lines import numbers, read_fields
from adl_tf.datasets.reader import Reader
from adl_tf.datasets.splits import spellings, usual_names
from adl_tf.errors import DataError
from adl_tf.text_files import read_names

SOURCE = (
    "a data folder holds the images, and metadata/<split>/ with "
    "image_ids.txt, class_labels.txt, image_sizes.txt and, to score, "
    "localization.txt (docs/your_data.md has Python that writes them)"
)
SPLIT_FILES = (
    "image_ids.txt",
    "class_labels.txt",
    "image_sizes.txt",
    "localization.txt",
)
# A larger class number is a mistake: each number needs a name and an output.
MAX_CLASSES = 100_000


def metadata(
    data_dir, split, num_classes=None, source=SOURCE, with_images=True
):
    """Reads a folder of images with metadata files.

    Args:
        data_dir: Folder that the paths of the files are relative to.
        split: Name of the split, such as `"train"`, `"val"` or `"test"`.
        num_classes: Number of classes, or `None` for that of
            `class_names.txt` or of the labels.
        source: Where the data come from, for messages.
        with_images: Whether missing images are an error.

    Returns:
        `Examples`.

    Raises:
        DataError: If a file is missing, a line malformed, or an image has no
            label.
    """
    folder = _find(data_dir, split, source)

    def read(name, count):
        path = os.path.join(folder, name)
        return read_fields(path, count, separator=",", source=source)

    image_ids = list(_once(read("image_ids.txt", 1)))
    class_names = _class_names(folder, num_classes)
    labels = _labels(read("class_labels.txt", 2), class_names, num_classes)
    if not class_names:
        needed = num_classes or max(labels.values(), default=-1) + 1
        class_names = [str(number) for number in range(needed)]
    sizes = _sizes(read("image_sizes.txt", 3))
    for image_id in image_ids:
        for name, table in (("class_labels", labels), ("image_sizes", sizes)):
            if image_id not in table:
                raise DataError(
                    f"{os.path.join(folder, name)}.txt has no line for "
                    f"{image_id}"
                )
    lines = []
    if os.path.isfile(os.path.join(folder, "localization.txt")):
        lines = list(read("localization.txt", (2, 3, 5)))
    boxes, masks, ignored = _objects(lines, image_ids, data_dir)
    if lines and image_ids and not any(map(len, boxes)) and not any(masks):
        raise DataError(
            f"{os.path.join(folder, 'localization.txt')} has no line for any "
            f"of the images of image_ids.txt, such as {image_ids[0]}"
        )
    examples = Examples(
        image_ids=image_ids,
        paths=[os.path.join(data_dir, image_id) for image_id in image_ids],
        labels=np.array([labels[i] for i in image_ids], np.int32),
        boxes=boxes,
        class_names=class_names,
        sizes=np.array([sizes[i] for i in image_ids]).reshape(-1, 2),
        masks=masks if any(masks) else None,
        ignored=ignored if any(ignored) else None,
    )
    if with_images:
        listed_in = os.path.join(folder, "image_ids.txt")
        examples.check_files(listed_in, source)
    return examples


def metadata_splits(data_dir):
    """Names of the splits in a folder.

    Args:
        data_dir: As for `metadata`.

    Returns:
        List of text: the folders that have any of the files, or `test` if the
        files are not in the folder of a split.
    """
    for root in (os.path.join(data_dir, "metadata"), data_dir):
        folders = os.listdir(root) if os.path.isdir(root) else []
        found = [
            name for name in folders if _holds_any(os.path.join(root, name))
        ]
        if found or _holds_any(root):
            return usual_names(found) or ["test"]
    return []


METADATA = Reader(metadata, metadata_splits)


def _holds_any(folder):
    paths = (os.path.join(folder, name) for name in SPLIT_FILES)
    return any(map(os.path.isfile, paths))


def _once(lines):
    """Rows of a file by their first field, which may not occur twice.

    Returns:
        Dictionary from the first field of a line to a tuple of the function
        that makes its error and the list of its other fields.
    """
    rows = {}  # which keeps the order
    for bad, (image_id, *fields) in lines:
        if image_id in rows:
            raise bad("given twice")
        rows[image_id] = (bad, fields)
    return rows


def _labels(lines, class_names, num_classes):
    """Dictionary from images to numbers of classes."""
    limit = num_classes or len(class_names) or MAX_CLASSES
    labels = {}
    for image_id, (bad, (text,)) in _once(lines).items():
        if not text.isdecimal() and text in class_names:
            number = class_names.index(text)
            raise bad(f"the number of a class expected, {number} for this one")
        (labels[image_id],) = numbers([text], int, bad)
        if not 0 <= labels[image_id] < limit:
            known = ", which class_names.txt names" if class_names else ""
            raise bad(
                f"class not within 0-{limit - 1}{known} (numbers start at 0)"
            )
    return labels


def _sizes(lines):
    """Dictionary from images to widths and heights."""
    sizes = {}
    for image_id, (bad, texts) in _once(lines).items():
        sizes[image_id] = numbers(texts, int, bad)
        if min(sizes[image_id]) < 1:
            raise bad("an image without pixels")
    return sizes


def _objects(lines, image_ids, data_dir):
    """Boxes, masks and masks of ignored pixels, lists of one an image."""
    boxes = {image_id: [] for image_id in image_ids}
    masks = {image_id: [] for image_id in image_ids}
    ignored = dict.fromkeys(image_ids, "")
    for bad, (image_id, *texts) in lines:
        if image_id not in boxes:
            continue
        if len(texts) < 4:
            mask, *left_out = texts
            masks[image_id].append(os.path.join(data_dir, mask))
            if any(left_out):
                ignored[image_id] = os.path.join(data_dir, *left_out)
            continue
        x0, y0, x1, y1 = numbers(texts, float, bad)
        if x1 < x0 or y1 < y0:
            raise bad(
                "a box that ends before it begins (the fields are x0,y0,x1,y1, "
                "not x,y,width,height)"
            )
        boxes[image_id].append((x0, y0, x1, y1))
    return (
        [np.array(each, np.float32).reshape(-1, 4) for each in boxes.values()],
        [tuple(each) for each in masks.values()],
        list(ignored.values()),
    )


def _find(data_dir, split, source):
    usual = os.path.join(data_dir, "metadata")
    # The folder of the text files itself will do.
    for root in (usual, data_dir):
        for name in spellings(split):
            folder = os.path.join(root, name)
            if os.path.isfile(os.path.join(folder, "image_ids.txt")):
                return folder
        folder = os.path.join(root, split)
        if os.path.isfile(os.path.join(root, "image_ids.txt")):
            if split == "train":
                raise DataError(
                    f"{root} describes one split only, which is used for "
                    f"testing: put training data into {folder}"
                )
            return root
    if not os.path.isdir(data_dir):
        raise DataError(f"no folder {data_dir}; {source}")
    splits = sorted(metadata_splits(data_dir))
    if split not in splits and splits:
        raise DataError(
            f"{data_dir} has no split '{split}', but {' and '.join(splits)}"
        )
    expected = os.path.join(usual, split, "image_ids.txt")
    raise DataError(f"no file {expected}; {source}")


def _class_names(folder, num_classes):
    """The names in `class_names.txt`, or an empty list without that file."""
    for place in (folder, os.path.dirname(folder)):
        path = os.path.join(place, "class_names.txt")
        if os.path.isfile(path):
            names = read_names(path)
            if len(names) < (num_classes or 1):
                raise DataError(
                    f"{path} has {len(names)} names, and {num_classes or 1} or "
                    "more are needed"
                )
            return names[:num_classes]
    return []
