"""The flags of a run: one for each setting."""

import dataclasses

import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver

from adl_tf import flags
from adl_tf.errors import DataError, UsageError
from adl_tf.settings import FLAGS, Settings


def parsed(*typed):
    with flagsaver.flagsaver():
        absl_flags.FLAGS(["adl_tf.train", *typed])
        return flags.settings(absl_flags.FLAGS)


def test_flags_are_the_settings():
    assert parsed() == Settings()
    assert set(FLAGS) == {each.name for each in dataclasses.fields(Settings)}


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        (["--workdir=run"], {"workdir": "run"}),
        (["--deterministic"], {"deterministic": True}),
        (["--nocutmix_area_corrected"], {"cutmix_area_corrected": False}),
        (["--dataset=tfds:voc/2007"], {"dataset": "tfds:voc/2007"}),
        (["--backbone=keras:VGG16"], {"backbone": "keras:VGG16"}),
        (["--learning_rate=1e-2"], {"learning_rate": 0.01}),
        (["--has_patch_size=16,32"], {"has_patch_size": (16, 32)}),
        (
            ["--backbone_options=map_stride=8"],
            {"backbone_options": {"map_stride": 8}},
        ),
    ],
)
def test_values(typed, changes):
    assert parsed(*typed) == Settings(**changes)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("--dataset=imagenet", "cub|ilsvrc|coco|metadata|tfds:NAME"),
        ("--backbone=vgg", "small_cnn|keras:NAME"),
        ("--method=none", "cam|has|acol|spg|adl|cutmix"),
        ("--adl_selection=all", "batch|sample"),
        ("--input_size=31", ">= 32"),
        ("--has_patch_size=big", "--has_patch_size=big: .*whole numbers"),
        ("--spg_thresholds=0.7,x", "--spg_thresholds=0.7,x: .*numbers"),
    ],
)
def test_values_that_are_not_possible(typed, words):
    with pytest.raises(absl_flags.Error, match=words):
        parsed(typed)


def test_flagfile_gives_the_same_settings(tmp_path):
    settings = Settings(
        backbone_options={"map_stride": 8},
        adl_positions=("conv4", "conv5"),
        has_patch_size="mixed",
        spg_thresholds=((0.7, 0.05), (0.5, 0.05), (0.7, 0.1)),
        cutmix_area_corrected=False,
        deterministic=True,
        num_classes=3,
        weight_decay=1e-05,
    )
    path = tmp_path / "flags.cfg"
    path.write_text(settings.as_flagfile())
    assert flags.read_flagfile(str(path)) == settings


@pytest.mark.parametrize("name", ["a b ", "a\nb", "a\rb", "\n", "b\t"])
def test_a_folder_that_flags_cfg_could_not_name(tmp_path, name):
    settings = Settings(data_dir=str(tmp_path / name))
    with pytest.raises(UsageError, match="--data_dir=.* may not have line"):
        settings.as_flagfile()


@pytest.mark.parametrize("name", ["a b", "a=b", "--a", "#a", "ж\u2028ж", "'a'"])
def test_odd_folders_come_back_from_a_flagfile(tmp_path, name):
    path = tmp_path / "flags.cfg"
    settings = Settings(data_dir=str(tmp_path / name))
    path.write_text(settings.as_flagfile(), encoding="utf-8")
    assert flags.read_flagfile(str(path)) == settings
    assert parsed(f"--flagfile={path}") == settings


@pytest.mark.parametrize(
    "content", [b"--epochs=many\n", b"--of_a_later_version=1\n", b"--seed=\xff"]
)
def test_damaged_flagfile(tmp_path, content):
    path = tmp_path / "flags.cfg"
    path.write_bytes(content)
    with pytest.raises(DataError, match="flags.cfg cannot be read"):
        flags.read_flagfile(str(path))
