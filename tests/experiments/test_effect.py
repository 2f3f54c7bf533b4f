"""What methods do to heatmaps and boxes, from runs whose boxes are known."""

import numpy as np
import pytest

from adl_tf.errors import DataError
from experiments.effect import effect_figure, effect_frame, effect_page, gains
from experiments.records import read_run
from tests.experiments.test_compare import cells, compare

RIGHT = [True] * 8


@pytest.fixture
def methods(tmp_path, finished_run):
    """CAM's boxes are too small on six images; ADL's on two, in one seed."""
    groups = {}
    for name, overlaps in {
        "cam_s0": [0.3] * 6 + [0.8] * 2,
        "adl_s0": [0.3] * 2 + [0.9] * 6,
        "adl_s1": [0.9] * 8,
    }.items():
        method, seed = name.split("_s")
        folder = tmp_path / "runs" / name
        finished_run(folder, RIGHT, overlaps, int(seed), method=method)
        run = read_run(str(folder), ["adl_cvpr19"])
        groups.setdefault(method, []).append(run)
    return groups


def test_areas_and_misses(methods):
    frame = effect_frame(methods, "adl_cvpr19", "best_tau")
    assert len(frame) == 3 * 8
    means = frame.groupby("method")[["hit", "small", "large"]].mean()
    assert means.loc["cam"].tolist() == [0.25, 0.75, 0]
    assert means.loc["adl"].tolist() == [14 / 16, 2 / 16, 0]
    # Ground truth boxes are 100x100 of 128x128 pixels.
    percent = 100 * 100**2 / 128**2
    assert frame.truth.to_numpy() == pytest.approx(percent)
    cam = frame[frame.method == "cam"]
    overlaps = np.array([0.3] * 6 + [0.8] * 2)
    assert cam.box.to_numpy() == pytest.approx(overlaps * percent)
    assert set(cam.quarter.value_counts()) == {2}
    # Without a threshold nothing is made up.
    del methods["cam"][0].evaluations["adl_cvpr19"].metrics["val_tau"]
    with pytest.raises(DataError, match="without --val_split"):
        effect_frame(methods, "adl_cvpr19", "val_tau")


def test_too_large_boxes(tmp_path, finished_run):
    finished_run(tmp_path, RIGHT, [1.0] * 8)
    run = read_run(str(tmp_path), ["adl_cvpr19"])
    arrays = run.evaluations["adl_cvpr19"].arrays
    arrays["ground_truth"][:, 2:] = 49
    frame = effect_frame({"cam": [run]}, "adl_cvpr19", "best_tau")
    assert frame.large.all() and not frame.small.any()
    assert frame.iou.to_numpy() == pytest.approx(0.25)


def test_where_the_gain_is(methods):
    frame = effect_frame(methods, "adl_cvpr19", "best_tau")
    by_class = gains(frame, "class")
    # Of each class four images; CAM is right on one, ADL on 3 and 4.
    assert by_class["images"].tolist() == ["4", "4"]
    assert by_class["cam"].tolist() == [25, 25]
    assert by_class["adl"].tolist() == [87.5, 87.5]
    assert by_class["gain of adl"].str.startswith("+62.5 (").all()
    quarters = gains(frame, "quarter")
    assert quarters.loc["smallest", "cam"] == 0
    assert quarters.loc["smallest", "gain of adl"].startswith("+50.0 (")
    assert quarters.loc["largest", "gain of adl"] == "+0.0 (+0.0 to +0.0)"


def test_page_and_figure(methods):
    frame = effect_frame(methods, "adl_cvpr19", "best_tau")
    text = effect_page(frame, "birds")
    assert cells(text, "cam")[4:] == ["25.0", "75.0", "0.0"]
    assert cells(text, "smallest")[1:4] == ["2", "0.0", "50.0"]
    axes = effect_figure(frame).axes
    assert len(axes) == 4
    # Each outline of a histogram holds all images: 100 percent.
    ious = axes[0].patches
    assert len(ious) == 2
    for patch in ious:
        heights = patch.get_xy()[:, 1]
        assert heights.max() <= 100 + 1e-6
    lines = [line.get_ydata().tolist() for line in axes[3].get_lines()]
    assert lines == [[0, 0, 0, 100], [50, 100, 100, 100]]


def test_effect_of_a_comparison(methods, tmp_path):
    runs, results = tmp_path / "runs", tmp_path / "results"
    flags = (f"--baseline={runs}/cam_s0", f"--workdirs={runs}/adl_s*")
    result = compare(*flags, "--effect=best", f"--results_dir={results}")
    assert result.returncode == 0, result.stderr
    for ending in ("md", "png", "pdf", "svg"):
        path = results / f"birds_effect.{ending}"
        assert path.stat().st_size and f"written: {path}" in result.stdout
    # From the records alone the same.
    text = (results / "birds_effect.md").read_text()
    kept = results / "birds"
    flags = (f"--baseline={kept}/cam_s0", f"--workdirs={kept}/adl_s*")
    again = f"--results_dir={tmp_path / 'again'}"
    compare(*flags, "--effect=best", again)
    assert (tmp_path / "again" / "birds_effect.md").read_text() == text
