"""Reader of any prepared data set of TensorFlow Datasets (TFDS).

Encoded images stay in TFDS's files of many records. One pass over the records
finds the byte range, label and boxes of each. From then on images are read in
any order, as if each had its own file.

Features are chosen by name and type:

- the image: `image`;
- its class: `label`; or `labels`, of several objects (`voc`): images whose
  objects are all of one class have that class, others are left out;
- its boxes: `bbox` or another feature of one box (the head's of
  `oxford_iiit_pet`), or `objects/bbox`; where there are `objects/pixels` and
  `size`, as in the data sets of `adl_tf.datasets.builders`, those, which are
  not cut at the edge of the image;
- its mask: `segmentation_mask`, see `MASKS`, and `ignore_mask` of pixels that
  are not scored; a mask of one pixel stands for none;
- its name: `file_name` or `image/filename`, else file and number of the record.
"""

import difflib
import functools
import io
import os

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from adl_tf.datasets.examples import Examples, Mask
from adl_tf.datasets.reader import Reader
from adl_tf.errors import DataError, UsageError

# Levels of the object, and of pixels that are not scored. In the masks of
# caltech_birds2011 a level is the share of people who marked the pixel; in
# oxford_iiit_pet 1 is the animal, 2 the background and 3 the border between.
MASKS = {
    "caltech_birds2011": ((128, 255), None),
    "oxford_iiit_pet": ((1, 1), (3, 3)),
}
ANY_MASK = ((1, 65535), None)

# TFDS stores boxes as float32 fractions of the sides. Thousandths of a pixel
# are finer than any annotation and coarser than float32's rounding.
DECIMALS = 3

# Around each record of a TFRecord file: its length with a checksum in front,
# and another checksum.
_FRONT, _BACK = 12, 4


def tfds_examples(name, data_dir, split):
    """Reads one split of a data set that TFDS has prepared.

    Args:
        name: Such as `"caltech_birds2011"`, `"voc/2007"` or
            `"imagenet2012:5.1.0"`.
        data_dir: TFDS's folder of all data sets, or `None` for its own.
        split: `"train"`, or a part as TFDS writes it: `"train[:90%]"`.

    Returns:
        `Examples`. Boxes are in pixels, x0, y0, x1, y1, rounded to
        thousandths.

    Raises:
        DataError: If it is not prepared, or has no images or labels.
        UsageError: If it does not have the split.
    """
    builder = _builder(name, data_dir)
    features = _features(name, builder.info)
    label_name, class_names = _classes(name, features)
    box_name = _box_feature(features)
    id_name = next(
        (key for key in ("file_name", "image/filename") if key in features),
        None,
    )
    mask_features = _mask_features(builder.info.name, features)
    found, masks, left_out = [], {"object": [], "ignored": []}, 0
    for record in _records(builder, split):
        classes = record.values(label_name)
        if len(classes) != 1:
            left_out += 1
            continue
        image_id = record.name(id_name)
        (encoded,) = record.values("image")
        boxes, size = _boxes(record, box_name, encoded, image_id)
        byte_range = record.byte_range(encoded)
        found.append(
            (image_id, record.path, classes[0], boxes, size, byte_range)
        )
        for kind, key, levels in mask_features:
            (encoded,) = record.values(key)
            none = _size(encoded) == (1, 1)
            mask = Mask(record.path, record.byte_range(encoded), levels)
            masks[kind].append("" if none else mask)
    if left_out:
        print(
            f"tfds:{name}: {left_out} images of no class or of several are "
            "left out"
        )
    image_ids, paths, labels, boxes, sizes, byte_ranges = (
        map(list, zip(*found)) if found else ([] for _ in range(6))
    )
    if len(set(image_ids)) < len(image_ids):
        raise DataError(f"tfds:{name} has two images of one name")
    if min(labels, default=0) < 0:
        raise DataError(f"tfds:{name} has no labels in the split {split}")
    return Examples(
        image_ids=image_ids,
        paths=paths,
        labels=np.array(labels, np.int32),
        boxes=boxes,
        class_names=class_names,
        sizes=np.array(sizes, int).reshape(-1, 2) if box_name else None,
        masks=[(mask,) if mask else () for mask in masks["object"]]
        if any(masks["object"])
        else None,
        ignored=masks["ignored"] if any(masks["ignored"]) else None,
        byte_ranges=np.array(byte_ranges, np.int64).reshape(-1, 2),
    )


def tfds_splits(name, data_dir):
    """The names of the splits of a data set that TFDS has prepared.

    Args:
        name: As for `tfds_examples`.
        data_dir: As for `tfds_examples`.

    Returns:
        List of text.

    Raises:
        DataError: If it is not prepared.
    """
    return list(_builder(name, data_dir).info.splits)


def tfds_reader(name):
    """The reader of one data set of TensorFlow Datasets.

    Args:
        name: As for `tfds_examples`.

    Returns:
        `Reader`.
    """
    return Reader(
        functools.partial(tfds_examples, name),
        functools.partial(tfds_splits, name),
        needs_folder=False,
    )


def _boxes(record, box_name, encoded, image_id):
    """Boxes `(n, 4)` of an image, and the size that they refer to."""
    if box_name is None:
        return np.zeros((0, 4), np.float32), None
    numbers = record.values(box_name)
    if box_name == "objects/pixels":
        boxes = np.array(numbers, np.float32).reshape(-1, 4)
        return boxes, record.values("size")
    try:
        size = _size(encoded)
    except OSError as error:
        raise DataError(
            f"image {image_id} in {record.path} cannot be read"
        ) from error
    return _in_pixels(numbers, size), size


class _Record:
    """An encoded example, and where it is.

    Args:
        path: Its file.
        begin: Offset of its first byte in the file.
        number: Its number in the file.
        encoded: Its bytes.
    """

    def __init__(self, path, begin, number, encoded):
        self.path = path
        self._begin, self._number, self._encoded = begin, number, encoded
        self._features = tf.train.Example.FromString(encoded).features.feature

    def values(self, name):
        """What is stored of a feature: numbers, or bytes."""
        feature = self._features[name]
        kind = feature.WhichOneof("kind")
        return getattr(feature, kind).value if kind else ()

    def name(self, feature):
        """The name in a feature, or that of the record for `None`."""
        if feature is None:
            return f"{os.path.basename(self.path)}/{self._number}"
        return self.values(feature)[0].decode()

    def byte_range(self, encoded):
        """First byte of a part of the record in the file, and its length."""
        return self._begin + self._encoded.find(encoded), len(encoded)


def _builder(name, data_dir):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    try:
        return read_only_builder.builder_from_files(name, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        folder = data_dir or "~/tensorflow_datasets"
        short = name.partition("/")[0].partition(":")[0]
        ours = short.removesuffix("_wsol")
        build = f"tfds build {name} --data_dir={folder}"
        if short in ("cub_wsol", "ilsvrc_wsol", "openimages_wsol"):
            build = f"python -m data.{ours}.prepare --tfds_dir={folder}"
        elif short not in (known := tfds.list_builders()):
            close = difflib.get_close_matches(short, known, n=3)
            hint = f": did you mean {', '.join(close)}?" if close else ""
            raise DataError(
                f"tfds:{name}: TFDS has no data set '{short}', and {folder} "
                f"has none of that name{hint}"
            ) from error
        raise DataError(
            f"tfds:{name} is not prepared in {folder}: run {build}, or give "
            "the folder where it is as --data_dir"
        ) from error


def _features(name, info):
    """Dictionary of the features, if their records can be read here."""
    import tensorflow_datasets as tfds

    features = dict(info.features.items())
    if not isinstance(features.get("image"), tfds.features.Image):
        raise DataError(f"tfds:{name} has no feature 'image' of images")
    if info.file_format != tfds.core.FileFormat.TFRECORD:
        raise DataError(
            f"tfds:{name} is stored as {info.file_format.value}: prepare it "
            "with --file_format=tfrecord"
        )
    return features


def _mask_features(name, features):
    """Tuples of a mask's kind, its feature and the levels that count."""
    object_levels, ignored_levels = MASKS.get(name, ANY_MASK)
    return [
        (kind, key, levels)
        for kind, key, levels in (
            ("object", "segmentation_mask", object_levels),
            ("ignored", "segmentation_mask", ignored_levels),
            ("ignored", "ignore_mask", ANY_MASK[0]),
        )
        if key in features and levels
    ]


def _classes(name, features):
    """Name of the feature of the label, and names of its classes."""
    import tensorflow_datasets as tfds

    label = features.get("label")
    if isinstance(label, tfds.features.ClassLabel):
        return "label", [name.strip() for name in label.names]
    several = getattr(features.get("labels"), "feature", None)
    if isinstance(several, tfds.features.ClassLabel):
        return "labels", [name.strip() for name in several.names]
    raise DataError(
        f"tfds:{name} has neither 'label' nor 'labels' with classes: it has "
        f"{', '.join(features)}"
    )


def _box_feature(features):
    """Name of the boxes in a record, or `None`."""
    import tensorflow_datasets as tfds

    single = [
        key
        for key, feature in features.items()
        if isinstance(feature, tfds.features.BBoxFeature)
    ]
    if single:
        return "bbox" if "bbox" in single else single[0]
    objects = getattr(features.get("objects"), "feature", {})
    if "pixels" in objects and "size" in features:
        return "objects/pixels"
    return "objects/bbox" if "bbox" in objects else None


def _records(builder, split):
    """Yields `_Record`s."""
    splits = builder.info.splits
    try:
        chosen = splits[split]
        instructions = chosen.file_instructions
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"tfds:{builder.info.full_name} has no split '{split}': it has "
            f"{', '.join(splits)}, and parts such as train[:90%]"
        ) from error
    bar = tqdm(
        total=chosen.num_examples,
        desc=f"finding images of {split}",
        leave=False,
        disable=None,
    )
    with bar:
        for instruction in instructions:
            first, count = instruction.skip, instruction.take
            path, begin = os.fspath(instruction.filename), 0
            dataset = tf.data.TFRecordDataset(path)
            if count >= 0:
                dataset = dataset.take(first + count)
            try:
                for number, record in enumerate(dataset.as_numpy_iterator()):
                    if number >= first:
                        yield _Record(path, begin + _FRONT, number, record)
                        bar.update()
                    begin += _FRONT + len(record) + _BACK
            except tf.errors.OpError as error:
                raise DataError(
                    f"{path} is missing or damaged: prepare tfds:"
                    f"{builder.info.full_name} again"
                ) from error


def _size(encoded):
    """Width and height of an image, without decoding it."""
    with Image.open(io.BytesIO(encoded)) as image:
        return image.size


def _in_pixels(shares, size):
    """Boxes `(n, 4)` in pixels, without those that TFDS writes for none."""
    shares = np.array(shares, np.float64).reshape(-1, 4)
    shares = shares[shares.any(axis=1)][:, [1, 0, 3, 2]]
    pixels = np.round(shares * np.tile(size, 2), DECIMALS)
    return pixels.astype(np.float32)
