"""What flags come to where they are not given."""

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

from adl_tf import flags


@pytest.mark.parametrize(
    ("typed", "resize_size"),
    [
        ([], 256),
        (["--input_size=128"], 146),
        (["--input_size=128", "--resize_size=256"], 256),
    ],
)
def test_images_are_warped_to_8_7_of_the_crop(typed, resize_size):
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["adl_tf.train", *typed])
        found = flags.settings(absl_flags.FLAGS)
    assert found.resize_size == resize_size
    # The number is kept with the run, whatever a later default.
    assert f"--resize_size={resize_size}\n" in flags.as_flagfile(found)
