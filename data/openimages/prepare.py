"""Downloads OpenImages30k with its masks, and checks that nothing is missing.

    python -m data.openimages.prepare --data_dir=FOLDER

Pass the folder to `--dataset=metadata` then. After an interruption the same
command resumes.
"""

import os

from adl_tf.datasets.metadata import metadata
from adl_tf.datasets.preparation import (
    Counts,
    archive,
    complete,
    metadata_files,
    on_drive,
    write_image_sizes,
)
from adl_tf.datasets.unpacking import unpack
from adl_tf.errors import DataError
from data.command import run

EXPECTED = {
    "train": Counts(29819),
    "val": Counts(2500, masks=3854),
    "test": Counts(5000, masks=7632),
}
IMAGES = on_drive("OpenImages_images.zip", "1oOb4WQ-lb8SYppHEg3lWnpHk1X8WVO4e")
MASKS = on_drive(
    "OpenImages_annotations.zip", "1eu1YvcZlsEalhXTS_5Ni5tkImCliIPie"
)


def prepare(data_dir, splits):
    """Completes the folder; an error says what has to be done by hand."""

    def download(split):
        with_masks = split != "train"
        names = ["image_ids", "class_labels"] + ["localization"] * with_masks
        metadata_files(data_dir, data_dir, "OpenImages", split, names)
        unpack(archive(data_dir, "openimages_wsol", IMAGES), data_dir)
        if with_masks:
            unpack(archive(data_dir, "openimages_wsol", MASKS), data_dir)
        write_image_sizes(data_dir, split)

    def read(split):
        examples = metadata(data_dir, split)
        check_masks(examples)
        return examples

    complete(splits, read, EXPECTED, download)


def check_masks(examples):
    """Raises `DataError` if a mask is missing."""
    paths = [path for masks in examples.masks or () for path in masks]
    for path in paths + list(filter(None, examples.ignored or ())):
        if not os.path.isfile(path):
            raise DataError(f"mask {path} is missing")


if __name__ == "__main__":
    run(prepare, "openimages")
