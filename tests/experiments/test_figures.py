"""Figures 2 to 4, from runs on squares whose boxes are known."""

import dataclasses
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

if keras.backend.backend() != "tensorflow":
    pytest.skip("training needs TensorFlow", allow_module_level=True)
from adl_tf import evaluate
from adl_tf.datasets.load import load_examples
from adl_tf.errors import DataError, UsageError
from adl_tf.layers.adl import ADLLayer
from adl_tf.training.loop import train
from adl_tf.workdir.evaluations import read_evaluations, write_evaluation
from adl_tf.workdir.trained import load_trained
from experiments.figure_of_boxes import draw_boxes
from experiments.figure_of_maps import draw_maps, of_many_classes
from experiments.panels import GROUND_TRUTH, PREDICTED, Panel, figure, save
from experiments.records import keep, read_run
from tests.in_process import call

SIGNATURES = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


def scored(run, folder):
    """Evaluates a run into a folder of its own."""
    for name in ("flags.cfg", "environment.json", "timing.csv", "history.csv"):
        shutil.copy(pathlib.Path(run.workdir, name), folder)
    flags = (f"--workdir={run.workdir}", f"--output_dir={folder}")
    call(evaluate, *flags, from_workdir=True)
    return str(folder)


@pytest.fixture(scope="module")
def folders(trained, tmp_path_factory):
    """Evaluations of a plain run of four epochs, and of one with ADL."""
    root = tmp_path_factory.mktemp("figures")
    plain = dataclasses.replace(
        trained, method="cam", epochs=4, workdir=str(root / "run")
    )
    train(plain)
    for name in ("plain", "adl"):
        (root / name).mkdir()
    folders = (
        scored(plain, root / "plain"),
        scored(trained, root / "adl"),
    )
    # With ADL every box is the true one, so that all images gain.
    (found,) = read_evaluations(root / "adl").values()
    arrays = found.arrays
    count = len(arrays["image_ids"])
    numbers = np.column_stack([np.arange(count), np.zeros(count, int)])
    arrays["boxes"] = np.hstack([numbers, arrays["ground_truth"]])
    write_evaluation(root / "adl", found.metrics, arrays)
    return folders


def cells(drawn):
    """Its axes in rows, without the colour bar."""
    rows = {}
    for axes in drawn.axes:
        if axes.get_images():
            top = round(axes.get_position(original=True).y1, 3)
            rows.setdefault(top, []).append(axes)
    return list(rows.values())


def rectangles(cell):
    """Corners, both included, of its coloured rectangles, by colour."""
    found = {}
    for patch in cell.patches:
        if isinstance(patch, Rectangle):
            x, y, w, h = patch.get_bbox().bounds
            corners = [x, y, x + w - 1, y + h - 1]
            found[to_hex(patch.get_edgecolor())] = corners
    found.pop("#000000", None)
    return found


def test_panels(tmp_path):
    image = np.zeros((10, 10, 3), np.uint8)
    image[..., 0] = 240
    heatmap = np.eye(5)
    drawn = figure(
        [[Panel(image), Panel(image, heatmap, (([1, 2, 3, 5], "#ff0000"),))]],
        ["a", "b"],
        ["what it is"],
        "jet",
    )
    ((left, right),) = cells(drawn)
    assert [left.get_title(), right.get_title()] == ["a", "b"]
    assert left.get_xlabel() == "what it is"
    (shown,) = left.get_images()
    assert (shown.get_array() == image).all()
    below, above = right.get_images()
    # The image in grey, and the map over it, from edge to edge.
    assert (below.get_array() == 80).all()
    assert (above.get_array() == heatmap).all()
    assert above.get_extent() == below.get_extent() == [0, 10, 10, 0]
    assert above.cmap.name == "jet" and above.get_clim() == (0, 1)
    assert rectangles(right) == {"#ff0000": [1, 2, 3, 5]}
    assert not rectangles(left)
    # A colour bar where there is a heatmap.
    assert len(drawn.axes) == 3
    assert len(figure([[Panel(image)]], ["a"], [""]).axes) == 1
    for ending, signature in SIGNATURES.items():
        path = tmp_path / "deep" / f"figure{ending}"
        save(drawn, str(path))
        assert path.read_bytes().startswith(signature)


@pytest.mark.slow
def test_boxes_of_both_runs(folders, capsys):
    drawn = draw_boxes(*folders, count=2, losses=False)
    rows = cells(drawn)
    # Two classes, three panels for each run.
    assert [len(row) for row in rows] == [6, 6]
    assert rows[0][0].get_title() == "plain: image"
    assert rows[0][5].get_title() == "adl: overlap"
    arrays = read_evaluations(folders[0])["adl_cvpr19-test"].arrays
    truths = arrays["ground_truth"].tolist()
    for row in rows:
        for number in (0, 2, 3, 5):
            boxes = rectangles(row[number])
            assert boxes[GROUND_TRUTH] in truths
            # With ADL the predicted box lies upon it.
            if number > 2:
                assert boxes[PREDICTED] == boxes[GROUND_TRUTH]
        assert not rectangles(row[1]) and not rectangles(row[4])
        assert (
            "IoU" in row[0].get_xlabel() and "1.00 adl" in row[0].get_xlabel()
        )
    with pytest.raises(DataError, match="no image that .* ADL loses IoU"):
        draw_boxes(*folders, count=2, losses=True)
    capsys.readouterr()
    turned = draw_boxes(*folders[::-1], count=3, losses=True)
    said = capsys.readouterr().out
    assert said.startswith("drawn: 2 of 3 images, each of another class")
    assert len(cells(turned)) == 2


@pytest.mark.slow
def test_chosen_images(folders):
    arrays = read_evaluations(folders[0])["adl_cvpr19-test"].arrays
    chosen = arrays["image_ids"][[4, 1]].tolist()
    rows = cells(draw_boxes(*folders, 9, False, chosen))
    assert [rectangles(row[0])[GROUND_TRUTH] for row in rows] == (
        arrays["ground_truth"][[4, 1]].tolist()
    )
    with pytest.raises(UsageError, match="no test image 'x'; the first is"):
        draw_boxes(*folders, 9, False, ["x"])


@pytest.mark.slow
def test_what_figures_cannot_be_drawn_from(folders, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folders[0], other)
    (found,) = read_evaluations(other).values()
    ids = found.arrays["image_ids"][::-1]
    arrays = {**found.arrays, "image_ids": ids}
    write_evaluation(other, found.metrics, arrays)
    with pytest.raises(UsageError, match="different images"):
        draw_boxes(str(other), folders[1], 1, False)
    with pytest.raises(DataError, match="adl_tf.train writes it"):
        draw_boxes(str(tmp_path), folders[1], 1, False)
    run = read_run(folders[0], ["adl_cvpr19"])
    run.environment["revision"] = "abc"
    keep(run, str(tmp_path / "record"))
    with pytest.raises(DataError, match="is a record, without heatmaps"):
        draw_boxes(str(tmp_path / "record"), folders[1], 1, False)


@pytest.mark.slow
def test_maps_of_each_layer(trained):
    examples = load_examples(trained.dataset, trained.data_dir, "test", None)
    drawn = draw_maps(trained, examples, None, 2)
    rows = cells(drawn)
    # Image, conv4_relu and what is dropped there.
    assert [len(row) for row in rows] == [3, 3]
    more = draw_maps(trained, examples, ["conv3_relu", "conv4_relu"], 2)
    assert [len(row) for row in cells(more)] == [5, 5]
    with pytest.raises(UsageError, match="no layer 'nothing'.*, conv1_bn, "):
        draw_maps(trained, examples, ["nothing"], 1)
    # The drop mask blackens what reaches gamma times the maximum, and leaves
    # the rest of the image.
    model = load_trained(trained)
    (gamma,) = (
        layer.gamma for layer in model.layers if isinstance(layer, ADLLayer)
    )
    image, _, hidden = (cell.get_images()[0].get_array() for cell in rows[0])
    features = keras.Model(model.input, model.get_layer("conv4_relu").output)
    attention = features(image[None].astype("float32")).numpy()[0].mean(-1)
    kept = attention < gamma * attention.max()
    assert 0 < kept.mean() < 1
    scale = len(image) // len(kept)
    kept = np.kron(kept, np.ones((scale, scale), bool))
    assert (hidden == image * kept[..., None]).all()


def test_images_are_of_as_many_classes_as_they_can_be():
    labels = np.array([0, 0, 0, 1, 2, 2])
    for count, expected in ((2, [0, 4]), (3, [0, 3, 4]), (5, [0, 3, 4, 1, 5])):
        assert of_many_classes(labels, count).tolist() == expected
    assert len(of_many_classes(labels, 9)) == 6


@pytest.mark.slow
def test_one_line_for_what_is_wrong(folders, tmp_path):
    plain, workdir = folders
    output = f"--output={tmp_path / 'a.png'}"
    for flags, expected in (
        ((f"--baseline={plain}", "--output=a/figure"), "a/figure does not end"),
        (("--baseline=nowhere", output), "nowhere: there is no such folder"),
        ((output,), "--figure=3 needs --baseline"),
        ((output, "--colour_map=x"), "--colour_map=x: matplotlib has none"),
        ((output, "--figure=2", "--data_dir=/nowhere"), "/nowhere"),
    ):
        # A process of its own: its flags are also those of positions.
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "experiments.figures",
                f"--workdir={workdir}",
                *flags,
            ],
            cwd=pathlib.Path(__file__).parents[2],
            capture_output=True,
            text=True,
        )
        assert result.returncode in (1, 2)
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1
