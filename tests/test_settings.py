"""The settings of a run: their text, and what makes two runs the same."""

import dataclasses

import pytest

from adl_tf.flags import read_flagfile
from adl_tf.settings import Settings

# As adl_tf.train of version 0.1.0 wrote it, defaults included.
WRITTEN_BY_0_1_0 = """\
--dataset=cub
--data_dir=/data/CUB_200_2011
--train_split=train
--classes=1-25
--resize_size=146
--input_size=128
--backbone=mobilenet_v1
--method=adl
--weights=imagenet
--num_classes=25
--last_stride=1
--backbone_options=width=0.5
--adl_positions=conv_pw_11_relu,conv_pw_13_relu
--adl_drop_rate=0.75
--adl_gamma=0.95
--adl_selection=batch
--has_patch_size=18
--has_hide_rate=0.5
--acol_threshold=0.6
--spg_thresholds=0.7,0.05,0.5,0.05,0.7,0.1
--cutmix_beta=1.0
--cutmix_probability=1.0
--cutmix_area_corrected=True
--epochs=8
--batch_size=32
--learning_rate=0.003
--head_learning_rate_ratio=10.0
--weight_decay=0.0001
--schedule=cosine
--seed=0
--strategy=auto
--startup_timeout=600.0
--memory_budget=2048
--deterministic=False
--mixed_precision=off
"""


@pytest.fixture
def of_0_1_0(tmp_path):
    path = tmp_path / "flags.cfg"
    path.write_text(WRITTEN_BY_0_1_0)
    return read_flagfile(str(path))


def test_reads_what_0_1_0_wrote(of_0_1_0):
    assert of_0_1_0 == Settings(
        dataset="cub",
        data_dir="/data/CUB_200_2011",
        classes="1-25",
        input_size=128,
        backbone="mobilenet_v1",
        num_classes=25,
        last_stride=1,
        backbone_options={"width": 0.5},
        adl_positions=("conv_pw_11_relu", "conv_pw_13_relu"),
        adl_drop_rate=0.75,
        adl_gamma=0.95,
        adl_selection="batch",
        has_patch_size=18,
        has_hide_rate=0.5,
        acol_threshold=0.6,
        spg_thresholds=((0.7, 0.05), (0.5, 0.05), (0.7, 0.1)),
        cutmix_beta=1.0,
        cutmix_probability=1.0,
        cutmix_area_corrected=True,
        epochs=8,
        learning_rate=0.003,
        weight_decay=1e-4,
    )


def test_writes_it_as_0_1_0_did(of_0_1_0):
    lines = of_0_1_0.as_flagfile().splitlines()
    assert set(WRITTEN_BY_0_1_0.splitlines()) <= set(lines)


def test_what_may_change_when_a_run_goes_on(of_0_1_0):
    elsewhere = dataclasses.replace(
        of_0_1_0,
        workdir="elsewhere",
        data_dir="/elsewhere",
        strategy="mirrored",
        deterministic=True,
        startup_timeout=5.0,
    )
    assert elsewhere.differences(of_0_1_0) == []
    other = dataclasses.replace(elsewhere, seed=1, adl_gamma=None)
    assert other.differences(of_0_1_0) == ["adl_gamma", "seed"]


def test_paths_are_written_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    flags = Settings(
        data_dir="data", weights="~/a.h5", workdir="run"
    ).as_flags()
    assert flags["data_dir"] == str(tmp_path / "data")
    assert flags["weights"] == "/home/somebody/a.h5"
    assert "workdir" not in flags and "boxes" not in flags
    assert Settings(weights="none").as_flags()["weights"] == "none"


@pytest.mark.parametrize(
    ("input_size", "resize_size", "expected"),
    [(224, None, 256), (128, None, 146), (128, 256, 256)],
)
def test_images_are_warped_to_8_7_of_the_crop(
    input_size, resize_size, expected
):
    settings = Settings(input_size=input_size, resize_size=resize_size)
    assert settings.resize_size == expected
    # The number is kept with the run, whatever a later default.
    assert settings.as_flags()["resize_size"] == str(expected)


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().num_classes = 3
