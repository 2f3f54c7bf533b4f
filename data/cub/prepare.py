"""Downloads CUB-200-2011 and CUBV2, and checks that nothing is missing.

    python -m data.cub.prepare --data_dir=FOLDER

CUB_200_2011/ has the splits train and test, and CUBV2/ has val: images and
boxes for choosing thresholds and other settings. After an interruption the
same command resumes.
"""

import os

from adl_tf.datasets.cub import cub
from adl_tf.datasets.fetching import RemoteFile
from adl_tf.datasets.metadata import metadata
from adl_tf.datasets.preparation import (
    Counts,
    archive,
    complete,
    metadata_files,
    on_drive,
)
from adl_tf.datasets.unpacking import unpack
from data.command import run

EXPECTED = {
    "train": Counts(5994, boxes=5994),
    "val": Counts(1000, boxes=1000),
    "test": Counts(5794, boxes=5794),
}
CUB = RemoteFile(
    "CUB_200_2011.tgz",
    "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
    "?download=1",
)
CUBV2 = on_drive("CUBV2.tar", "1U6cwKHS65wayT9FFvoLIA8cn1k0Ot2M1")


def prepare(data_dir, splits):
    """Completes the folder; an error says what has to be done by hand."""
    official = os.path.join(data_dir, "CUB_200_2011")
    collected = os.path.join(data_dir, "CUBV2")

    def read(split):
        if split == "val":
            return metadata(collected, split)
        return cub(official, split)

    def download(split):
        if split == "val":
            # Not the boxes of wsolevaluation's release/CUBV2_boxes.txt: its
            # first line promises corners, but it has widths and heights.
            metadata_files(data_dir, collected, "CUB", "val")
            unpack(archive(data_dir, "cub_wsol", CUBV2), collected)
        else:
            path = archive(data_dir, "cub_wsol", CUB)
            unpack(path, official, inner="CUB_200_2011")

    complete(splits, read, EXPECTED, download)


if __name__ == "__main__":
    run(prepare, "cub")
