"""What flags come to where they are not given."""

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

from adl_tf import flags
from adl_tf.errors import UsageError


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


@pytest.mark.parametrize("name", ["a b ", "a\nb", "a\rb", "\n", "b\t"])
def test_a_folder_that_flags_cfg_could_not_name(tmp_path, name):
    with flagsaver.flagsaver():
        typed = f"--data_dir={tmp_path / name}"
        absl_flags.FLAGS(["adl_tf.train", typed])
        found = flags.settings(absl_flags.FLAGS)
    with pytest.raises(UsageError, match="--data_dir=.* may not have line"):
        flags.as_flagfile(found)


@pytest.mark.parametrize("name", ["a b", "a=b", "--a", "#a", "ж\u2028ж", "'a'"])
def test_odd_folders_come_back_from_a_flagfile(tmp_path, name):
    path = tmp_path / "flags.cfg"
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["adl_tf.train", f"--data_dir={tmp_path / name}"])
        path.write_text(
            flags.as_flagfile(flags.settings(absl_flags.FLAGS)),
            encoding="utf-8",
        )
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["adl_tf.train", f"--flagfile={path}"])
        assert absl_flags.FLAGS.data_dir == str(tmp_path / name)
