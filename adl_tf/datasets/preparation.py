"""What the commands `data/<name>/prepare.py` share.

Each looks whether its folder is complete; if not, it downloads and unpacks
what is missing, and looks again. So the same command goes on after anything.
"""

import dataclasses
import importlib
import os
import sys

from absl import flags

from adl_tf import command
from adl_tf.datasets.fetching import RemoteFile, fetch, read_checksums
from adl_tf.datasets.image_sizes import image_sizes
from adl_tf.datasets.lines import read_lines
from adl_tf.errors import DataError, UsageError
from adl_tf.files import write_whole

SPLITS = ("train", "val", "test")
# Box and mask annotations of CVPR 2020 ("Evaluating weakly supervised object
# localization methods right"), with the file names that ImageNetV2 has since
# December 2020.
METADATA_URL = (
    "https://raw.githubusercontent.com/clovaai/wsolevaluation/"
    "879728cf8d30c557684754c66be859414caad749/metadata"
)

METADATA_FILES = ("image_ids", "class_labels", "image_sizes", "localization")

_ROW = "{:<6}{:<9}{:>10}{:>10}"


@dataclasses.dataclass(frozen=True)
class Counts:
    """How much a split holds; `None` for what is not counted."""

    images: int
    boxes: int | None = None
    masks: int | None = None


def run(prepare, name):
    """Starts a command; does not return.

    Args:
        prepare: Function of the folder and the list of splits.
        name: Name of the folder in `data/`.
    """
    here = os.path.dirname(os.path.abspath(sys.modules["__main__"].__file__))
    flags.DEFINE_string(
        "data_dir",
        os.path.join(here, "download"),
        "Folder for the data set; archives go to archives/ in it.",
    )
    flags.DEFINE_list("splits", None, "Splits to prepare [train,val,test].")
    flags.DEFINE_string(
        "tfds_dir",
        None,
        "Folder of TFDS to write the data set to, too, as shards; give it as "
        f"--data_dir to --dataset=tfds:{name}_wsol then.",
    )

    def main(values):
        wanted = SPLITS if values.splits is None else values.splits
        if not wanted or set(wanted) - set(SPLITS):
            raise UsageError(
                f"--splits={','.join(wanted)}: some of {', '.join(SPLITS)} "
                "expected"
            )
        splits = [each for each in SPLITS if each in wanted]
        data_dir = os.path.expanduser(values.data_dir)
        prepare(data_dir, splits)
        if values.tfds_dir:
            tfds_dir = os.path.expanduser(values.tfds_dir)
            build(f"{name}_wsol", data_dir, tfds_dir, splits)

    command.run(
        main, f"data.{name}.prepare", ("data_dir", "splits", "tfds_dir")
    )


def build(name, data_dir, tfds_dir, splits):
    """Writes a data set as TFDS has it, as `tfds build` does.

    Args:
        name: Name of one of our builders.
        data_dir: Folder that is complete.
        tfds_dir: Folder of TFDS. A data set that is there already stays.
        splits: List of the splits that it must have.

    Returns:
        The builder.

    Raises:
        DataError: If what is there already has fewer splits.
    """
    command.load_tensorflow()
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


def complete(splits, read, expected, bring):
    """Brings what is missing, counts, and prints the counts as a table.

    What one split lacks does not keep the others from being brought.

    Args:
        splits: List of the names of splits.
        read: Function from the name of a split to its `Examples`.
        expected: Dictionary from the names of splits to their `Counts`.
        bring: Function that downloads and unpacks what a split needs.

    Raises:
        DataError: If something is missing or the counts are not those
            expected in the end.
    """
    problems = []
    print(_ROW.format("split", "of", "found", "expected"))
    for split in splits:
        try:
            found = _count_if_there(read, split)
            if found is None or _differences(found, expected[split]):
                bring(split)
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


def _count_if_there(read, split):
    try:
        return count(read(split))
    except DataError:
        return None


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
        name: What it is called on disk.
        number: Its identity there.

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
    """Fetches an archive into `archives/`, checked as far as is known.

    Args:
        data_dir: Folder of the data set.
        builder: Name of its TFDS builder, whose checksums are the published
            ones.
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
    """Fetches annotations into `metadata/<split>/`.

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
        remote = RemoteFile(f"{name}.txt", url)
        fetch(remote, folder, {}, _record(data_dir))


def _record(data_dir):
    return os.path.join(data_dir, "archives", "checksums.tsv")


def write_image_sizes(target, split):
    """Writes `image_sizes.txt` from the images, where none is published.

    Args:
        target: Folder with `metadata/<split>/image_ids.txt` and the images.
        split: Name of the split.

    Raises:
        DataError: If an image is missing or none.
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
