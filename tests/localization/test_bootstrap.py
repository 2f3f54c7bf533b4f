"""Intervals against the theory of single accuracies."""

import dataclasses

import numpy as np
import pytest

from adl_tf.localization.bootstrap import RESAMPLES, confidence_intervals
from adl_tf.localization.metrics import localization_metrics
from adl_tf.localization.pixels import pixel_average_precision
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.localization.scores import Scores

COUNT = 200
PROTOCOL = dataclasses.replace(
    PROTOCOLS["wsoleval_cvpr20"],
    thresholds=tuple(step / 10 for step in range(10)),
)
CORRECT = np.arange(COUNT) % 10 < 7
CORRECT_TOP5 = np.arange(COUNT) % 10 < 9


@pytest.fixture(scope="module")
def scores():
    """Some images are right below a threshold, others above, of their own."""
    generator = np.random.default_rng(0)
    scores = Scores(COUNT, PROTOCOL, 16)
    boxes = ([1, 1, 13, 13], [4, 4, 8, 8])
    for index in range(COUNT):
        heatmap = np.zeros((16, 16))
        heatmap[1:13, 1:13] = generator.random()
        heatmap[4:8, 4:8] = 1
        scores.add(index, heatmap, np.array([boxes[generator.random() < 0.4]]))
    return scores


def intervals_of(scores, correct=CORRECT, correct_top5=CORRECT_TOP5):
    metrics = localization_metrics(scores, correct, correct_top5, 0.4)
    found = confidence_intervals(metrics, scores, correct, correct_top5)
    return metrics, found


def binomial_quantile(share, level, count=COUNT):
    """The smallest number whose probability reaches a level, in percent."""
    log = np.concatenate(([0], np.cumsum(np.log(np.arange(1, count + 1)))))
    k = np.arange(count + 1)
    ways = log[count] - log[k] - log[count - k]
    chance = np.exp(ways + k * np.log(share) + (count - k) * np.log1p(-share))
    return 100 * np.argmax(np.cumsum(chance) >= level) / count


def single_accuracies(metrics, intervals):
    for name in ("top1_clas", "top5_clas"):
        yield metrics[name], intervals[name]
    for tau in ("fixed_tau", "best_tau", "val_tau"):
        for name in ("gt_known_loc", "top1_loc", "top5_loc"):
            yield metrics[tau][name], intervals[tau][name]


def assert_as_binomial(metrics, intervals):
    pairs = list(single_accuracies(metrics, intervals))
    assert len(pairs) == 11
    for value, (low, high) in pairs:
        assert 0 < low < value < high < 100
        # The tails of a thousand draws are known to a percent or so.
        for bound, level in ((low, 0.025), (high, 0.975)):
            tolerance = 0.013
            assert (
                binomial_quantile(value / 100, max(level - tolerance, 0.001))
                <= bound + 1e-6
            )
            assert bound - 1e-6 <= binomial_quantile(
                value / 100, min(level + tolerance, 0.999)
            )


def test_single_accuracies_are_binomial(scores):
    metrics, intervals = intervals_of(scores)
    assert (intervals["level"], intervals["resamples"]) == (95, RESAMPLES)
    assert_as_binomial(metrics, intervals)


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_chunks_do_not_change_the_distribution(scores, monkeypatch, chunk):
    _, whole = intervals_of(scores)
    monkeypatch.setattr("adl_tf.localization.metrics._CHUNK", chunk)
    metrics, intervals = intervals_of(scores)
    assert_as_binomial(metrics, intervals)
    for name in ("max_box_acc", "max_box_acc_v2"):
        assert intervals[name] == pytest.approx(whole[name], abs=1.5)


def test_the_same_again(scores):
    assert intervals_of(scores)[1] == intervals_of(scores)[1]


def test_one_number_has_one_interval(scores):
    metrics, intervals = intervals_of(scores)
    assert metrics["max_box_acc"] == metrics["best_tau"]["gt_known_loc"]
    assert intervals["max_box_acc"] == intervals["best_tau"]["gt_known_loc"]
    low, high = intervals["max_box_acc_v2"]
    assert low < metrics["max_box_acc_v2"] < high


def test_without_class_answers(scores):
    _, intervals = intervals_of(scores, None, None)
    assert intervals.keys() == {
        "level",
        "resamples",
        "fixed_tau",
        "best_tau",
        "val_tau",
        "max_box_acc",
        "max_box_acc_v2",
    }
    assert intervals["fixed_tau"].keys() == {"gt_known_loc"}


def test_without_boxes():
    scores = Scores(COUNT, PROTOCOL, 16)
    metrics = localization_metrics(scores, CORRECT, None)
    intervals = confidence_intervals(metrics, scores, CORRECT, None)
    assert intervals.keys() == {"level", "resamples", "top1_clas"}


def test_pixels_against_drawing_the_maps_themselves():
    generator = np.random.default_rng(3)
    maps = generator.random((12, 8, 8))
    masks = maps + generator.normal(0, 0.4, maps.shape) > 0.6
    scores = Scores(12, PROTOCOL, 8)
    for index in range(12):
        scores.add(index, maps[index], (), masks[index])
    metrics = localization_metrics(scores, None, None)
    assert metrics["pxap"] == pytest.approx(
        pixel_average_precision(maps, masks)
    )
    low, high = confidence_intervals(metrics, scores, None, None)["pxap"]
    drawn = [
        pixel_average_precision(maps[some], masks[some])
        for some in generator.integers(0, 12, (600, 12))
    ]
    assert [low, high] == pytest.approx(
        np.percentile(drawn, [2.5, 97.5]), abs=0.15 * (high - low)
    )


def test_all_right_has_no_width():
    scores = Scores(5, PROTOCOL, 16)
    heatmap = np.zeros((16, 16))
    heatmap[4:9, 3:7] = 1
    for index in range(5):
        scores.add(index, heatmap, np.array([[3, 4, 7, 9]]))
    right = np.ones(5, bool)
    metrics = localization_metrics(scores, right, right)
    intervals = confidence_intervals(metrics, scores, right, right)
    for name in ("top1_clas", "max_box_acc", "max_box_acc_v2"):
        assert intervals[name] == pytest.approx([100, 100])
    assert intervals["best_tau"]["top1_loc"] == pytest.approx([100, 100])
