"""The command line of `python -m data.<name>.prepare`."""

import os
import sys

from absl import flags

from adl_tf import command
from adl_tf.datasets.preparation import build
from adl_tf.errors import UsageError

SPLITS = ("train", "val", "test")


def run(prepare, name):
    """Starts the command; does not return.

    Args:
        prepare: Function of the folder and the list of splits.
        name: Name of the folder in `data/`.
    """
    here = os.path.dirname(os.path.abspath(sys.modules["__main__"].__file__))
    flags.DEFINE_string(
        "data_dir",
        os.path.join(here, "download"),
        "Folder of the data set; archives are kept in archives/ there.",
    )
    flags.DEFINE_list("splits", None, "Splits to prepare [train,val,test].")
    flags.DEFINE_string(
        "tfds_dir",
        None,
        "Folder of TFDS: also write the data set there, in TFDS's format. "
        f"Pass the folder as --data_dir to --dataset=tfds:{name}_wsol.",
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
