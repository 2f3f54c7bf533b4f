"""Where the strongest attention of a layer is, on images made for it."""

import pathlib

import cv2
import keras
import numpy as np
import pytest

from adl_tf.settings import Settings

if keras.backend.backend() != "tensorflow":
    pytest.skip("pipelines need TensorFlow", allow_module_level=True)
from adl_tf.datasets.examples import Examples
from adl_tf.errors import DataError, UsageError
from experiments import positions
from experiments.attention import attention_places
from tests.in_process import call

SETTINGS = Settings(resize_size=8, input_size=8)


@pytest.fixture
def examples(tmp_path):
    """Grey images with one bright pixel: two in a corner, one inside."""
    paths = []
    for number, place in enumerate(((0, 0), (3, 4), (7, 7))):
        image = np.full((8, 8, 3), 50, np.uint8)
        image[place] = 200
        paths.append(str(tmp_path / f"{number}.png"))
        cv2.imwrite(paths[-1], image)
    return Examples(
        image_ids=["0", "1", "2"],
        paths=paths,
        labels=np.zeros(3, np.int32),
        boxes=[np.zeros((0, 4), np.float32)] * 3,
        class_names=["a"],
    )


@pytest.fixture
def model():
    inputs = keras.Input((8, 8, 3))
    same = keras.layers.ReLU(name="same")(inputs)
    halved = keras.layers.MaxPooling2D(2, name="halved")(same)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(halved)
    return keras.Model(inputs, pooled)


def test_border_and_hidden_share(model, examples):
    rows = attention_places(
        model, ["same", "halved"], examples, SETTINGS, 0.5, 9
    )
    same, halved = rows
    assert (same["layer"], same["height"], same["width"]) == ("same", 8, 8)
    assert same["border"] == pytest.approx(100 * 28 / 64)
    assert halved["border"] == pytest.approx(100 * 12 / 16)
    # The bright pixel at (3, 4) is inside both maps.
    for row, places in ((same, 64), (halved, 16)):
        assert row["strongest_at_border"] == pytest.approx(200 / 3)
        assert row["hidden"] == pytest.approx(100 / places)
    # 50 is a quarter of 200: at a lower gamma everything is hidden.
    (row,) = attention_places(model, "same", examples, SETTINGS, 0.2, 1)
    assert row["hidden"] == 100


def test_layers_without_a_map(model, examples):
    for layers, words in (
        ("pool.*", "none of these layers has a map"),
        ("nothing", "matches 'nothing'. Its layers are: same, halved, pooled"),
        (["same", "nothing"], "no layer 'nothing'. Its layers are: same, h"),
    ):
        with pytest.raises(UsageError, match=f"--layers: .*{words}"):
            attention_places(model, layers, examples, SETTINGS, 0.5, 1)


def test_warning_where_it_applies():
    """MobileNetV1's conv_pw_11 and conv_pw_13, and a map of four positions."""
    rows = [
        {"layer": name, "border": border, "strongest_at_border": strongest}
        for name, border, strongest in (
            ("pw11", 26.5, 98.5),
            ("pw13", 26.5, 10.0),
            ("tiny", 100.0, 100.0),
        )
    ]
    (line,) = positions.warnings(rows)
    assert line.startswith("pw11 is no position for ADL")


@pytest.mark.slow
def test_layers_of_a_run(trained, tmp_path, capsys):
    flag = f"--workdir={trained.workdir}"
    with pytest.raises(UsageError, match="--layers is needed"):
        call(positions, flag, from_workdir=True)
    layers = "--layers=conv4_relu,conv3_relu"
    call(positions, flag, layers, "--images=3", from_workdir=True)
    title, headings, *rows = capsys.readouterr().out.splitlines()
    assert title == (
        f"small_cnn, weights {trained.workdir}, gamma 0.8, 3 test images; "
        "in percent"
    )
    assert headings.split()[:2] == ["layer", "map"]
    assert [row.split()[0] for row in rows if row] == [
        "conv4_relu",
        "conv3_relu",
    ]
    # Nothing is looked at instead of what was not trained.
    (tmp_path / "flags.cfg").write_text(
        pathlib.Path(trained.workdir, "flags.cfg").read_text()
    )
    with pytest.raises(DataError, match="has no checkpoint"):
        call(positions, f"--workdir={tmp_path}", layers, from_workdir=True)
