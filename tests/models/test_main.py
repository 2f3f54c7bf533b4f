"""`python -m adl_tf.models` as a user types it."""

import subprocess
import sys

import pytest
from absl import flags
from absl.testing import flagsaver

from adl_tf import command
from adl_tf.errors import UsageError
from adl_tf.models.__main__ import as_table, main
from adl_tf.models.classifier import build_classifier


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "adl_tf.models", *arguments],
        capture_output=True,
        text=True,
    )


def table(name, **arguments):
    model, backbone, _ = build_classifier(
        name, 5, None, (64, 64, 3), **arguments
    )
    pooling = "gap" if backbone.head == "dense" else "logits"
    lines = as_table(
        model, backbone.adl_positions, model.get_layer(pooling).input
    ).splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


def test_rows():
    rows = table("mobilenet_v1", width=0.5)
    assert rows["layer"] == ["output", "parameters", "ADL", "CAM"]
    assert rows["image"] == ["64x64x3", "0"]
    # 3x3 kernels on 3 channels, 16 filters, no bias.
    assert rows["conv1"] == ["32x32x16", "432"]
    assert rows["conv_pw_6_relu"] == ["4x4x256", "0"]
    assert rows["conv_pw_13_relu"] == ["4x4x512", "0", "default", "map"]
    assert rows["logits"] == ["5", "2,565"]


def test_total():
    assert table("vgg_gap")["total:"] == (
        "19,439,429 parameters, 19,439,429 of them trainable, 74.2 MiB".split()
    )


def test_maps_that_are_the_classes():
    rows = table("inception_v3")
    assert rows["class_maps"] == ["8x8x5", "5,125", "map"]
    assert rows["Mixed_5d"] == ["8x8x288", "0", "default"]
    assert rows["SPG_A3_2b"] == ["8x8x1024", "9,438,208", "default"]


@pytest.mark.slow
def test_command():
    result = run(
        "--backbone=keras:MobileNet",
        "--last_stride=1",
        "--input_size=96",
        "--num_classes=200",
    )
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["layer", "output", "parameters", "ADL", "CAM"]
    features = next(line for line in lines if line.endswith("map"))
    assert features.split()[:2] == ["conv_pw_13_relu", "6x6x1024"]
    assert lines[-2].startswith("total: 3,433,864 parameters, 3,411,976 of")
    assert lines[-1] == "keras:MobileNet needs --adl_positions for ADL"


@pytest.mark.slow
def test_wrong_option_is_one_line():
    result = run("--backbone=keras:DenseNet")
    assert result.returncode == 2, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("adl_tf.models: ")
    assert "DenseNet121" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backbone_options=width=2"], ["'vgg_gap'", "map_stride"]),
        (["--backbone_options=map_stride"], ["name=value"]),
        (["--backbone_options=map_stride=x"], ["map_stride='x'", "8 or 16"]),
        (["--backbone=mobilenet_v1", "--last_stride=3"], ["1 or 2"]),
    ],
)
def test_wrong_options(arguments, words):
    with flagsaver.flagsaver(), pytest.raises(UsageError) as caught:
        command._parse(["models", *arguments], from_workdir=False)
        main(flags.FLAGS)
    for word in words:
        assert word in str(caught.value)
