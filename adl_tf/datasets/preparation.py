"""Preparation of a data set's folder: downloads, unpacking and counts.

Only missing files are downloaded and unpacked, and everything is counted. So
the same command resumes after any interruption.
"""

import contextlib
import dataclasses
import importlib
import os

from adl_tf.datasets.fetching import RemoteFile, fetch, read_checksums
from adl_tf.datasets.image_sizes import image_sizes
from adl_tf.errors import DataError
from adl_tf.files import write_whole
from adl_tf.native_messages import native_messages
from adl_tf.text_files import read_lines

# Box and mask annotations of CVPR 2020 ("Evaluating weakly supervised object
# localization methods right"), with the file names that ImageNetV2 has since
# December 2020.
METADATA_URL = (
    "https://raw.githubusercontent.com/clovaai/wsolevaluation/"
    "879728cf8d30c557684754c66be859414caad749/metadata"
)
METADATA_FILES = ("image_ids", "class_labels", "image_sizes", "localization")
MAX_METADATA_BYTES = 64 << 20

_ROW = "{:<6}{:<9}{:>10}{:>10}"


@dataclasses.dataclass(frozen=True)
class Counts:
    """Numbers of a split; `None` for what is not counted."""

    images: int
    boxes: int | None = None
    masks: int | None = None


def build(name, data_dir, tfds_dir, splits):
    """Writes a data set in the format of TFDS, as `tfds build` does.

    Args:
        name: Name of a builder in `adl_tf/datasets/builders`.
        data_dir: Folder that is complete.
        tfds_dir: Folder of TFDS. A data set that is there already stays.
        splits: List of the splits that it must have.

    Returns:
        The builder.

    Raises:
        DataError: If the data set that is there already has fewer splits.
    """
    with native_messages():
        import tensorflow_datasets as tfds

    package = f"adl_tf.datasets.builders.{name}.{name}_dataset_builder"
    builder = importlib.import_module(package).Builder(data_dir=tfds_dir)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=data_dir)
    )
    found = builder.info.splits
    missing = sorted(set(splits) - set(found))
    if missing:
        raise DataError(
            f"{builder.data_path} is there already, without "
            f"{', '.join(missing)}: remove it, and start again"
        )
    counts = ", ".join(f"{each} {found[each].num_examples:,}" for each in found)
    print(f"{builder.data_path}: {counts}")
    return builder


def complete(splits, read, expected, download):
    """Downloads what is missing, counts, and prints the counts as a table.

    A split that fails does not stop the others.

    Args:
        splits: List of the names of splits.
        read: Function from the name of a split to its `Examples`.
        expected: Dictionary from the names of splits to their `Counts`.
        download: Function from the name of a split that downloads and unpacks
            its files.

    Raises:
        DataError: If something is still missing or a count differs.
    """
    problems = []
    print(_ROW.format("split", "of", "found", "expected"))
    for split in splits:
        try:
            found = None
            with contextlib.suppress(DataError):
                found = count(read(split))
            if found is None or _differences(found, expected[split]):
                download(split)
                found = count(read(split))
            problems += [
                f"{split} {difference}"
                for difference in _differences(found, expected[split])
            ]
        except DataError as error:
            problems.append(str(error))
            found = Counts(0, 0, 0)
        for name, number, wanted in _cells(found, expected[split]):
            print(_ROW.format(split, name, f"{number:,}", f"{wanted:,}"))
    if problems:
        raise DataError("; ".join(dict.fromkeys(problems)))


def count(examples):
    """`Counts` of `Examples`."""
    return Counts(
        images=len(examples),
        boxes=sum(len(boxes) for boxes in examples.boxes),
        masks=sum(len(masks) for masks in examples.masks or ()),
    )


def _cells(found, expected):
    for field in dataclasses.fields(Counts):
        wanted = getattr(expected, field.name)
        if wanted is not None:
            yield field.name, getattr(found, field.name), wanted


def _differences(found, expected):
    return [
        f"has {number:,} {name} instead of {wanted:,}"
        for name, number, wanted in _cells(found, expected)
        if number != wanted
    ]


def on_drive(name, number):
    """A file that is published on Google Drive.

    Args:
        name: Its name on disk.
        number: Its identifier there.

    Returns:
        `RemoteFile`.
    """
    return RemoteFile(
        name,
        "https://drive.usercontent.google.com/download"
        f"?id={number}&export=download&confirm=t",
        by_hand=f"download https://drive.google.com/open?id={number} in a "
        f"browser and put it into archives/ as {name}",
    )


def archive(data_dir, builder, remote):
    """Downloads an archive into `archives/` and checks it.

    Args:
        data_dir: Folder of the data set.
        builder: Name of its TFDS builder, which has the published checksums.
        remote: `RemoteFile`.

    Returns:
        Path of the archive.
    """
    table = os.path.join(
        os.path.dirname(__file__), "builders", builder, "checksums.tsv"
    )
    published = read_checksums(table) if os.path.isfile(table) else {}
    folder = os.path.join(data_dir, "archives")
    return fetch(remote, folder, published, _record(data_dir))


def metadata_files(data_dir, target, dataset, split, names=METADATA_FILES):
    """Downloads annotations into `metadata/<split>/`.

    Args:
        data_dir: Folder of the data set.
        target: Folder that the paths in the annotations are relative to.
        dataset: Name of the data set in wsolevaluation.
        split: Name of the split.
        names: Names of the files, without `.txt`.
    """
    folder = os.path.join(target, "metadata", split)
    for name in names:
        url = f"{METADATA_URL}/{dataset}/{split}/{name}.txt"
        remote = RemoteFile(f"{name}.txt", url, limit=MAX_METADATA_BYTES)
        fetch(remote, folder, {}, _record(data_dir))


def _record(data_dir):
    return os.path.join(data_dir, "archives", "checksums.tsv")


def write_image_sizes(target, split):
    """Writes `image_sizes.txt` from the images, where none is published.

    Args:
        target: Folder with `metadata/<split>/image_ids.txt` and the images.
        split: Name of the split.

    Raises:
        DataError: If an image is missing or cannot be read.
    """
    folder = os.path.join(target, "metadata", split)
    lines = read_lines(os.path.join(folder, "image_ids.txt"))
    image_ids = [line for line in lines if line]
    sizes = image_sizes([os.path.join(target, each) for each in image_ids])
    write_whole(
        os.path.join(folder, "image_sizes.txt"),
        "".join(
            f"{image_id},{width},{height}\n"
            for image_id, (width, height) in zip(image_ids, sizes)
        ),
    )
