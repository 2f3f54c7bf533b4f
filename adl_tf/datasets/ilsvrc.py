"""Reader of ImageNet-1k (ILSVRC 2012), in its layout or with metadata files.

    LOC_synset_mapping.txt              n01440764 tench, Tinca tinca
    ILSVRC/Data/CLS-LOC/train/<WordNet number>/*.JPEG
    ILSVRC/Data/CLS-LOC/val/*.JPEG
    ILSVRC/Annotations/CLS-LOC/         the same names, .xml
    ILSVRC/ImageSets/CLS-LOC/           train_cls.txt, val.txt: optional

Classes are numbered by their sorted WordNet numbers, as in Keras's weights. The
devkit's ground truth is in another order; it is not needed, since annotations
name WordNet numbers.
"""

import os

import numpy as np
from tqdm import tqdm

from adl_tf.datasets.examples import Examples
from adl_tf.datasets.lines import read_fields
from adl_tf.datasets.metadata import metadata, metadata_splits
from adl_tf.datasets.reader import Reader
from adl_tf.datasets.voc_xml import read_voc
from adl_tf.errors import DataError
from adl_tf.text_files import read_lines

NUM_CLASSES = 1000
SOURCE = (
    "ImageNet comes from image-net.org or Kaggle's "
    "imagenet-object-localization-challenge, after a registration: pass the "
    "folder that holds ILSVRC/ as --data_dir"
)
# ILSVRC's own test set has no labels, so the validation set is the test set.
FOLDERS = {"train": "train", "val": "val", "test": "val"}
LISTS = {"train": "train_cls.txt", "val": "val.txt"}
IMAGE = ".JPEG"


def ilsvrc(data_dir, split):
    """Reads ImageNet-1k.

    Args:
        data_dir: The folder `ILSVRC` of the official layout or the one above
            it; or a folder with `metadata/` and the images, which is read as
            `metadata` reads it.
        split: Of the official layout `"train"`, or `"val"` and `"test"`, which
            are both the 50,000 images of the validation set; otherwise as
            the folder has it.

    Returns:
        `Examples` with 1000 classes in the order of their WordNet numbers, and
        the boxes as they are annotated. Training images without annotations
        have none.

    Raises:
        DataError: If a file is missing or malformed.
    """
    root = _official_root(data_dir)
    if root:
        return _official(root, split)
    return metadata(data_dir, split, num_classes=NUM_CLASSES, source=SOURCE)


def ilsvrc_splits(data_dir):
    """Names of the splits in a folder; `val` also stands for `test`.

    Args:
        data_dir: As for `ilsvrc`.

    Returns:
        List of text.
    """
    root = _official_root(data_dir)
    if not root:
        return metadata_splits(data_dir)
    return [
        name
        for name in LISTS
        if os.path.isdir(os.path.join(root, "Data", "CLS-LOC", name))
    ]


ILSVRC = Reader(ilsvrc, ilsvrc_splits)


def _official_root(data_dir):
    """The folder `ILSVRC` of the official layout, or `None`."""
    for root in (os.path.join(data_dir, "ILSVRC"), data_dir):
        if os.path.isdir(os.path.join(root, "Data", "CLS-LOC")):
            return root
    return None


def _official(root, split):
    if split not in FOLDERS:
        raise DataError(
            f"ILSVRC has the splits train and val, not '{split}' (test is val "
            "here: its own test set has no labels)"
        )
    folder = FOLDERS[split]
    images = os.path.join(root, "Data", "CLS-LOC", folder)
    annotations = os.path.join(root, "Annotations", "CLS-LOC", folder)
    synsets, class_names = _classes(root)
    numbers = {synset: number for number, synset in enumerate(synsets)}
    names = _names(root, folder, images)
    unannotated = set()
    if folder == "train":  # where half of the images have none
        unannotated = {*names} - {*_listed(annotations, ".xml", nested=True)}
    labels = np.zeros(len(names), np.int32)
    sizes = np.ones((len(names), 2), int)
    boxes = [np.zeros((0, 4), np.float32)] * len(names)
    for index, name in enumerate(
        tqdm(names, desc="reading annotations", leave=False, disable=None)
    ):
        synset = os.path.dirname(name)  # of a training image
        path = os.path.join(annotations, f"{name}.xml")
        if name not in unannotated:
            annotation = read_voc(path, SOURCE)
            synset = synset or _only(annotation.names, path)
            boxes[index] = _boxes_of(annotation, synset, numbers)
            sizes[index] = annotation.size
        if synset not in numbers:
            raise DataError(f"{path}: '{synset}' is none of the classes")
        labels[index] = numbers[synset]
    examples = Examples(
        image_ids=[f"{folder}/{name}{IMAGE}" for name in names],
        paths=[os.path.join(images, name + IMAGE) for name in names],
        labels=labels,
        boxes=boxes,
        class_names=class_names,
        sizes=sizes,
    )
    examples.check_files(_list_of(root, folder), SOURCE)
    return examples


def _classes(root):
    """Sorted WordNet numbers, and the names in their order."""
    for place in (root, os.path.dirname(os.path.abspath(root))):
        path = os.path.join(place, "LOC_synset_mapping.txt")
        if os.path.isfile(path):
            break
    else:
        train = os.path.join(root, "Data", "CLS-LOC", "train")
        synsets = sorted(os.listdir(train)) if os.path.isdir(train) else []
        if len(synsets) != NUM_CLASSES:
            raise DataError(
                f"no file {path}, and not the {NUM_CLASSES} folders in "
                f"{train} that classes are numbered by; {SOURCE}"
            )
        return synsets, synsets
    names = {}
    for number, line in enumerate(read_lines(path), start=1):
        synset, _, name = line.partition(" ")
        if synset in names:
            raise DataError(f"{path}:{number}: given twice: '{line}'")
        if line:
            names[synset] = name or synset
    if len(names) != NUM_CLASSES:
        raise DataError(f"{path} has {len(names)} classes, not {NUM_CLASSES}")
    synsets = sorted(names)
    return synsets, [names[synset] for synset in synsets]


def _names(root, folder, images):
    """Names of the images without their ending, each once."""
    path = _list_of(root, folder)
    if not os.path.isfile(path):
        names = _listed(images, IMAGE, nested=folder == "train")
        if not names:
            raise DataError(f"no image *{IMAGE} in {images}; {SOURCE}")
        return names
    names = {}  # a dictionary keeps the order
    for bad, (name, *_) in read_fields(path, (1, 2)):
        if name in names:
            raise bad("given twice")
        if os.path.isabs(name) or os.pardir in name.split("/"):
            raise bad("a name within the folder of the images expected")
        names[name] = True
    return list(names)


def _list_of(root, folder):
    return os.path.join(root, "ImageSets", "CLS-LOC", LISTS[folder])


def _listed(folder, ending, nested):
    """Sorted names of the files of a folder, or of its folders."""
    if not os.path.isdir(folder):
        return []
    if nested:
        return [
            f"{inner}/{name}"
            for inner in sorted(os.listdir(folder))
            for name in _listed(os.path.join(folder, inner), ending, False)
        ]
    return sorted(
        name.removesuffix(ending)
        for name in os.listdir(folder)
        if name.endswith(ending)
    )


def _only(names, path):
    """The class of all objects of an image."""
    if len(set(names)) != 1:
        found = ", ".join(sorted(set(names))) or "none"
        raise DataError(f"{path}: objects of one class expected, not {found}")
    return names[0]


def _boxes_of(annotation, synset, numbers):
    """The boxes of a class: float32 array `(n, 4)`.

    Some training files also have objects of other classes, and some have a
    word in place of the WordNet number, such as Scottish_deerhound.
    """
    boxes = [
        box
        for name, box in zip(annotation.names, annotation.boxes)
        if name == synset or name not in numbers
    ]
    return np.array(boxes, np.float32).reshape(-1, 4)
