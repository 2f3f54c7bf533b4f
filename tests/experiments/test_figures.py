"""Figures 2 to 4, from runs on squares whose boxes are known."""

import pathlib
import shutil
import subprocess
import sys
import types

import cv2
import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("training needs TensorFlow", allow_module_level=True)
from adl_tf import evaluate
from adl_tf.errors import DataError, UsageError
from adl_tf.layers.adl import ADLLayer
from adl_tf.training.loop import train
from adl_tf.workdir.evaluations import read_archives
from adl_tf.workdir.trained import load_trained
from experiments.figure_grid import GAP, SIDE, grid
from experiments.figure_of_boxes import draw_boxes
from experiments.figure_of_maps import _of_many_classes, draw_maps
from tests.in_process import call

pytestmark = pytest.mark.slow
LINE = 28  # of text, above the images and below each row


def scored(run, folder):
    """Evaluates a run into a folder of its own."""
    shutil.copy(pathlib.Path(run.workdir, "flags.cfg"), folder)
    flags = (f"--workdir={run.workdir}", f"--output_dir={folder}")
    call(evaluate, *flags, from_workdir=True)
    return str(folder)


@pytest.fixture(scope="module")
def folders(trained, tmp_path_factory):
    """Evaluations of a plain run of one epoch, and of one with ADL."""
    root = tmp_path_factory.mktemp("figures")
    plain = types.SimpleNamespace(
        **{
            **vars(trained),
            "method": "cam",
            "epochs": 4,
            "workdir": str(root / "run"),
        }
    )
    train(plain)
    for name in ("plain", "adl"):
        (root / name).mkdir()
    folders = (
        scored(plain, root / "plain"),
        scored(trained, root / "adl"),
    )
    # With ADL every box is the true one, so that all images gain.
    path = root / "adl" / "evaluations" / "adl_cvpr19-test.npz"
    with np.load(path) as file:
        arrays = dict(file)
    count = len(arrays["image_ids"])
    numbers = np.column_stack([np.arange(count), np.zeros(count, int)])
    arrays["boxes"] = np.hstack([numbers, arrays["ground_truth"]])
    np.savez(path, **arrays)
    return folders


def test_grid():
    red = np.full((10, 10, 3), (255, 0, 0), np.uint8)
    white = np.full((300, 300, 3), 255, np.uint8)
    image = grid([[red, white], [white, red]], ["a", "b"], ["", ""])
    assert image.shape == (
        LINE + 2 * (SIDE + GAP + LINE) + GAP,
        GAP + 2 * (SIDE + GAP),
        3,
    )
    below = LINE + SIDE + GAP + LINE
    for row, column, is_red in (
        (LINE, GAP, True),
        (LINE, GAP + SIDE + GAP, False),
        (below, GAP, False),
        (below, GAP + SIDE + GAP, True),
    ):
        middle = image[row + SIDE // 2, column + SIDE // 2]
        assert middle.tolist() == ([255, 0, 0] if is_red else [255] * 3)


def test_boxes_of_both_runs(folders, capsys):
    image = draw_boxes(*folders, count=2, losses=False)
    # Two classes, three panels for each run.
    step = SIDE + GAP
    assert image.shape == (
        LINE + 2 * (step + LINE) + GAP,
        GAP + 6 * step,
        3,
    )
    with pytest.raises(DataError, match="none on which ADL loses"):
        draw_boxes(*folders, count=2, losses=True)
    capsys.readouterr()
    turned = draw_boxes(*folders[::-1], count=3, losses=True)
    said = capsys.readouterr().out
    assert said.startswith("drawn: 2 of 3 images, each of another class")
    assert "both runs classify right" in said and "less than without" in said
    assert turned.shape == image.shape
    # The true box is red in the first and the third panel of each run.
    _, arrays = read_archives(folders[0])["adl_cvpr19-test"]
    assert (arrays["ground_truth_counts"] == 1).all()
    panels = [
        image[LINE : LINE + SIDE, GAP + n * step : GAP + n * step + SIDE]
        for n in range(6)
    ]
    red = [
        (panel.astype(int) - (255, 64, 64) == 0).all(axis=-1).sum()
        for panel in panels
    ]
    # With ADL the estimated box lies upon it.
    assert all(red[n] > 10 for n in (0, 2)), red
    assert not red[1] and not red[4]


def test_runs_have_to_be_evaluated_on_the_same_images(folders, tmp_path):
    with pytest.raises(DataError, match="was not evaluated"):
        draw_boxes(str(tmp_path), folders[1], 1, False)
    other = tmp_path / "other"
    shutil.copytree(folders[0], other)
    path = other / "evaluations" / "adl_cvpr19-test.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["image_ids"] = arrays["image_ids"][::-1]
    np.savez(path, **arrays)
    with pytest.raises(UsageError, match="different images"):
        draw_boxes(str(other), folders[1], 1, False)


def test_maps_of_each_layer(trained):
    image = draw_maps(trained, None, 2)
    step = SIDE + GAP
    # Image, conv4_relu and what is dropped there.
    assert image.shape == (
        LINE + 2 * (step + LINE) + GAP,
        GAP + 3 * step,
        3,
    )
    more = draw_maps(trained, ["conv3_relu", "conv4_relu"], 2)
    assert more.shape[1] == GAP + 5 * step
    # The drop mask blackens what reaches gamma times the maximum, and leaves
    # the rest of the image.
    model = load_trained(trained)
    (gamma,) = (
        layer.gamma for layer in model.layers if isinstance(layer, ADLLayer)
    )
    shown = image[LINE : LINE + SIDE, GAP : GAP + SIDE]
    left = GAP + 2 * step
    hidden = image[LINE : LINE + SIDE, left : left + SIDE]
    small = cv2.resize(shown, (32, 32), interpolation=cv2.INTER_AREA)
    features = keras.Model(model.input, model.get_layer("conv4_relu").output)
    attention = features(small[None].astype("float32")).numpy()[0].mean(-1)
    dropped = (attention >= gamma * attention.max()).mean()
    assert 0 < dropped < 1
    black = (hidden.sum(-1) == 0).mean()
    assert black == pytest.approx(dropped, abs=0.05)
    kept = hidden.sum(-1) > 0
    close = np.abs(hidden.astype(int) - shown).max(-1) < 40
    # But for the rims of what is black: the images were enlarged.
    assert close[kept].mean() > 0.9


def test_images_are_of_as_many_classes_as_they_can_be():
    labels = np.array([0, 0, 0, 1, 2, 2])
    for count, expected in ((2, [0, 4]), (3, [0, 3, 4]), (5, [0, 3, 4, 1, 5])):
        assert _of_many_classes(labels, count).tolist() == expected
    assert len(_of_many_classes(labels, 9)) == 6


def test_one_line_for_what_is_wrong(folders, tmp_path):
    plain, workdir = folders
    for baseline, output, expected in (
        (plain, "a/figure", "a/figure: it does not end in .png"),
        ("nowhere", "a.png", "nowhere: there is no such folder"),
    ):
        # A process of its own: its flags are also those of positions.
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "experiments.figures",
                f"--workdir={workdir}",
                f"--baseline={baseline}",
                f"--output={tmp_path / output}",
            ],
            cwd=pathlib.Path(__file__).parents[2],
            capture_output=True,
            text=True,
        )
        assert result.returncode in (1, 2)
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_layers_that_are_not_there(trained):
    with pytest.raises(UsageError, match="no layer 'nothing'.*, conv1_bn, "):
        draw_maps(trained, ["nothing"], 1)
