"""Localisation accuracies, by hand and by a plain loop."""

import dataclasses

import cv2
import numpy as np
import pytest

from adl_tf.localization import max_box_acc
from adl_tf.localization.metrics import localization_metrics
from adl_tf.localization.protocols import CUBEHELIX_GREY, PROTOCOLS
from adl_tf.localization.scores import Scores
from tests.localization.plain import box_of, contours_above, smooth

SIZE = 40
ADL = PROTOCOLS["adl_cvpr19"]
WSOLEVAL = dataclasses.replace(
    PROTOCOLS["wsoleval_cvpr20"],
    thresholds=tuple(step * 0.02 for step in range(50)),
)
THREE_THRESHOLDS = dataclasses.replace(
    ADL, levels="linear", thresholds=(0.1, 0.2, 0.3), fixed_threshold=0.2
)


def drawn(*rectangles):
    """A heatmap of rectangles x0, y0, x1, y1 (ends exclusive) and values."""
    heatmap = np.zeros((SIZE, SIZE))
    for (x0, y0, x1, y1), value in rectangles:
        heatmap[y0:y1, x0:x1] = value
    return heatmap


# Kept as a whole at 0.1 and 0.2; of it, at 0.3, the small one alone.
LARGE, SMALL = (2, 3, 32, 33), (5, 6, 12, 11)
LARGE_AND_SMALL = drawn((LARGE, 0.25), (SMALL, 1.0))
LEFT, RIGHT = (0, 0, 15, 15), (20, 20, 26, 26)
TWO = drawn((LEFT, 1.0), (RIGHT, 1.0))
HEATMAPS_AND_BOXES = [
    (LARGE_AND_SMALL, [LARGE]),  # right at 0.1 and 0.2
    (LARGE_AND_SMALL, [SMALL]),  # right at 0.3
    (LARGE_AND_SMALL, [SMALL]),  # right at 0.3
    (LARGE_AND_SMALL, [(34, 34, 38, 38)]),  # never
    (None, [LARGE]),  # no heatmap: never
    (TWO, [(30, 0, 38, 9), LEFT]),  # always, with the second box
    # The second largest contour: at an overlap of 49 / 121 = 0.405, and of 1.
    (TWO, [(20, 20, 30, 30)]),
    (TWO, [RIGHT]),
]
CORRECT = np.array([True, True, False, True, True, False, True, False])
CORRECT_TOP5 = np.array([True, True, True, True, True, False, True, True])


def scored(pairs, protocol=THREE_THRESHOLDS, size=SIZE):
    scores = Scores(len(pairs), protocol, size)
    # In any order.
    for index in reversed(range(len(pairs))):
        heatmap, boxes = pairs[index]
        if heatmap is None:
            scores.add_missing(index, np.array(boxes))
        else:
            scores.add(index, heatmap, np.array(boxes))
    return scores


def test_by_hand():
    found = localization_metrics(
        scored(HEATMAPS_AND_BOXES),
        CORRECT,
        CORRECT_TOP5,
        val_tau=0.1,
        exported_tau=0.28,
    )
    assert found.pop("baselines").keys() == {"whole_image", "centre"}
    assert found == {
        "top1_clas": pytest.approx(100 * 5 / 8),
        "top5_clas": pytest.approx(100 * 7 / 8),
        "fixed_tau": {
            "tau": pytest.approx(0.2),
            "gt_known_loc": pytest.approx(100 * 2 / 8),
            "top1_loc": pytest.approx(100 * 1 / 8),
            "top5_loc": pytest.approx(100 * 1 / 8),
        },
        "best_tau": {
            "tau": pytest.approx(0.3),
            "gt_known_loc": pytest.approx(100 * 3 / 8),
            "top1_loc": pytest.approx(100 * 1 / 8),
            "top5_loc": pytest.approx(100 * 2 / 8),
            "oracle": True,
        },
        "val_tau": {
            "tau": pytest.approx(0.1),
            "gt_known_loc": pytest.approx(100 * 2 / 8),
            "top1_loc": pytest.approx(100 * 1 / 8),
            "top5_loc": pytest.approx(100 * 1 / 8),
        },
        "exported_tau": {
            "tau": pytest.approx(0.3),
            "gt_known_loc": pytest.approx(100 * 3 / 8),
            "top1_loc": pytest.approx(100 * 1 / 8),
            "top5_loc": pytest.approx(100 * 2 / 8),
            "of_model": 0.28,
        },
        "curve": {
            "tau": pytest.approx([0.1, 0.2, 0.3]),
            "gt_known_loc": pytest.approx([25, 25, 37.5]),
            "top1_loc": pytest.approx([12.5, 12.5, 12.5]),
        },
        "max_box_acc": pytest.approx(37.5),
        "max_box_acc_v2": pytest.approx(100 * (5 + 4 + 4) / 8 / 3),
        "max_box_acc_v2_parts": {
            "0.3": pytest.approx(100 * 5 / 8),
            "0.5": pytest.approx(100 * 4 / 8),
            "0.7": pytest.approx(100 * 4 / 8),
        },
        "pxap": None,
    }


def test_without_class_answers():
    found = localization_metrics(scored(HEATMAPS_AND_BOXES), None, None)
    assert found["top1_clas"] is found["top5_clas"] is None
    assert found["curve"]["top1_loc"] is found["val_tau"] is None
    assert found["best_tau"] == {
        "tau": pytest.approx(0.3),
        "gt_known_loc": pytest.approx(37.5),
        "top1_loc": None,
        "top5_loc": None,
        "oracle": True,
    }


def test_without_boxes():
    scores = Scores(2, THREE_THRESHOLDS, SIZE)
    mask = LARGE_AND_SMALL > 0
    for index in range(2):
        scores.add(index, LARGE_AND_SMALL, (), mask)
    found = localization_metrics(scores, np.array([True, False]), None)
    assert found["top1_clas"] == 50
    assert found["pxap"] == pytest.approx(100)
    for name in ("fixed_tau", "best_tau", "curve", "max_box_acc", "baselines"):
        assert found[name] is None


@pytest.mark.parametrize(("min_iou", "right"), [(0.4, True), (0.41, False)])
def test_required_overlap_is_the_protocols(min_iou, right):
    protocol = dataclasses.replace(THREE_THRESHOLDS, min_iou=min_iou)
    heatmap = drawn((RIGHT, 1.0))
    scores = scored([(heatmap, [(20, 20, 30, 30)])], protocol)
    found = localization_metrics(scores, None, None)
    assert found["max_box_acc"] == (100 if right else 0)
    # Those of MaxBoxAccV2 are its own.
    assert found["max_box_acc_v2"] == pytest.approx(100 / 3)


def test_exactly_the_required_overlap_counts():
    # 10 x 10 pixels of 10 x 20.
    heatmap = drawn(((0, 0, 9, 9), 1.0))
    scores = scored([(heatmap, [(0, 0, 9, 19)])])
    assert localization_metrics(scores, None, None)["max_box_acc"] == 100


def test_answers_of_images():
    scores = scored(HEATMAPS_AND_BOXES)
    answer = scores.scored_box(0, 0.2)
    assert (answer.box, answer.iou) == ([*LARGE], 1)
    assert scores.ground_truth(0).tolist() == [[*LARGE]]
    assert scores.scored_box(0, 0.3).box == [*SMALL]
    assert scores.scored_box(6, 0.1).box == [*LEFT]
    assert scores.scored_box(6, 0.1).iou == 0
    assert scores.scored_box(4, 0.1) is None


def plain_overlaps(heatmap, ground_truth, protocol):
    """Best overlap of the largest, and of any, contour at each threshold."""
    levels = np.uint8(heatmap * 255)
    if protocol.levels == "cubehelix":
        levels = CUBEHELIX_GREY[np.minimum(np.int64(heatmap * 256), 255)]
    largest, of_any = [], []
    for threshold in protocol.threshold_values():
        overlaps, areas = [0.0], [-1.0]
        cutoff = int(threshold * int(levels.max()))
        for contour in contours_above(levels, cutoff):
            box = box_of(contour)
            if protocol.clip_boxes:
                box = [min(end, SIZE - 1) for end in box]
            overlaps.append(max(plain_iou(box, each) for each in ground_truth))
            areas.append(cv2.contourArea(contour))
        largest.append(overlaps[int(np.argmax(areas))])
        of_any.append(max(overlaps))
    return largest, of_any


def plain_iou(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0]) + 1
    height = min(box[3], other[3]) - max(box[1], other[1]) + 1
    inside = max(width, 0) * max(height, 0)
    areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other)]
    return inside / (sum(areas) - inside)


def some_boxes(generator, count):
    begin = generator.integers(0, 20, (count, 2))
    extent = generator.integers(8, 25, (count, 2))
    return np.concatenate((begin, begin + extent), axis=1)


@pytest.mark.parametrize("protocol", [ADL, WSOLEVAL], ids=lambda p: p.name)
def test_as_a_plain_loop(protocol):
    generator = np.random.default_rng(0)
    pairs = [
        (smooth((SIZE, SIZE), seed, 4), some_boxes(generator, 1 + seed % 3))
        for seed in range(12)
    ]
    right = generator.random(12) < 0.6
    plain = [plain_overlaps(*pair, protocol) for pair in pairs]
    largest, of_any = (np.array(each) for each in zip(*plain))
    found = localization_metrics(scored(pairs, protocol), right, None)
    curve = 100 * (largest >= 0.5).mean(axis=0)
    assert len(set(curve)) > 2
    np.testing.assert_allclose(found["curve"]["gt_known_loc"], curve)
    np.testing.assert_allclose(
        found["curve"]["top1_loc"],
        100 * ((largest >= 0.5) & right[:, None]).mean(axis=0),
    )
    assert found["max_box_acc"] == pytest.approx(curve.max())
    parts = [100 * (of_any >= d).mean(axis=0).max() for d in (0.3, 0.5, 0.7)]
    assert list(found["max_box_acc_v2_parts"].values()) == pytest.approx(parts)
    assert found["max_box_acc_v2"] == pytest.approx(np.mean(parts))
    assert np.any((of_any >= 0.5) != (largest >= 0.5))


def test_chunks_make_no_difference(monkeypatch):
    pairs = HEATMAPS_AND_BOXES
    whole = localization_metrics(scored(pairs), CORRECT, CORRECT_TOP5)
    monkeypatch.setattr("adl_tf.localization.metrics._CHUNK", 3)
    assert localization_metrics(scored(pairs), CORRECT, CORRECT_TOP5) == whole


@pytest.mark.parametrize("protocol", [ADL, WSOLEVAL], ids=lambda p: p.name)
def test_baselines(protocol):
    generator = np.random.default_rng(1)
    pairs = [
        (smooth((SIZE, SIZE), 0, 4), some_boxes(generator, 1))
        for _ in range(30)
    ]
    pairs[7] = (None, pairs[7][1])
    pairs[8] = (
        smooth((SIZE, SIZE), 1, 4),
        np.array([(0, 1, SIZE - 1, SIZE - 2)]),
    )
    found = scored(pairs, protocol).baselines()
    last = SIZE - 1 if protocol.clip_boxes else SIZE
    whole = [
        max(plain_iou((0, 0, last, last), box) for box in boxes) >= 0.5
        for _, boxes in pairs
    ]
    assert 0 < sum(whole) < len(pairs)
    assert found["whole_image"] == {
        "gt_known_loc": pytest.approx(100 * np.mean(whole))
    }
    place = (np.arange(SIZE) - 19.5) / 10
    gaussian = np.exp(-(place[:, None] ** 2 + place**2) / 2)
    gaussian = (gaussian - gaussian.min()) / np.ptp(gaussian)
    overlaps = np.array(
        [plain_overlaps(gaussian, boxes, protocol)[0] for _, boxes in pairs]
    )
    curve = 100 * (overlaps >= 0.5).mean(axis=0)
    assert found["centre"]["gt_known_loc"] == pytest.approx(
        curve.max(), abs=100 / 30 + 0.01
    )
    assert found["centre"]["oracle"] is True
    assert found["centre"]["tau"] in protocol.threshold_values()


@pytest.mark.parametrize("multi", [False, True])
def test_max_box_acc_of_heatmaps(multi):
    generator = np.random.default_rng(2)
    pairs = [
        (smooth((SIZE, SIZE), seed, 4), some_boxes(generator, 1 + seed % 2))
        for seed in range(9)
    ]
    plain = [plain_overlaps(*pair, WSOLEVAL)[multi] for pair in pairs]
    deltas = (0.3, 0.5, 0.7)
    expected = [100 * (np.array(plain) >= d).mean(0).max() for d in deltas]
    found = max_box_acc(
        (heatmap for heatmap, _ in pairs),
        (boxes.tolist() for _, boxes in pairs),
        WSOLEVAL.threshold_values(),
        deltas,
        multi,
    )
    assert found == pytest.approx(np.mean(expected))


def test_max_box_acc_of_nothing():
    with pytest.raises(ValueError, match="`heatmaps` is empty"):
        max_box_acc([], [], [0.2])
    with pytest.raises(ValueError, match="`boxes` has none for the heatmap 1"):
        max_box_acc([TWO, TWO], [[LEFT], []], [0.2])
    with pytest.raises(ValueError):
        max_box_acc([TWO, TWO], [[LEFT]], [0.2])
