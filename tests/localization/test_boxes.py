"""Boxes of heatmaps against one threshold at a time."""

import numpy as np
import pytest

from adl_tf.localization.boxes import box_iou, boxes_at_thresholds
from tests.localization.plain import (
    box_of,
    contours_above,
    largest_box,
    smooth,
)

ALL_THRESHOLDS = np.arange(1000) / 1000


def one_threshold(heatmap, threshold, multi=False):
    levels = np.uint8(np.where(np.isnan(heatmap), 0, heatmap) * 255)
    cutoff = int(threshold * int(levels.max()))
    boxes = [largest_box(levels, cutoff)]
    if multi:
        boxes = [box_of(each) for each in contours_above(levels, cutoff)]
    limit = [levels.shape[1] - 1, levels.shape[0] - 1] * 2
    boxes = np.minimum(boxes or [[0] * 4], limit).tolist()
    return boxes if multi else boxes[0]


def nested_rings():
    distance = np.abs(np.mgrid[:25, :25] - 12).max(axis=0)
    return np.where(distance % 3 == 0, 1 - distance / 20, 0.1)


def single_pixels():
    heatmap = np.zeros((20, 30))
    heatmap[[2, 9, 9, 19], [3, 8, 29, 0]] = [1.0, 0.7, 0.4, 0.2]
    return heatmap


def with_nan():
    heatmap = smooth((15, 15), 5, 2)
    heatmap[4:7, 3:9] = np.nan
    return heatmap


HEATMAPS = {
    "smooth": smooth((28, 28), 0, 2),
    "wide": smooth((14, 40), 1, 2),
    "tall": smooth((40, 14), 2, 2),
    "float32": smooth((28, 28), 3, 2).astype(np.float32),
    "noise": np.random.default_rng(4).random((20, 20)),
    "plateaus": np.round(smooth((30, 30), 6, 2) * 4) / 4,
    "checkerboard": np.indices((16, 17)).sum(axis=0) % 2 * 0.6,
    "rings": nested_rings(),
    "pixels": single_pixels(),
    "constant": np.full((9, 12), 0.5),
    "ones": np.ones((9, 12)),
    "zero": np.zeros((9, 12)),
    "nan": with_nan(),
    "all_nan": np.full((6, 6), np.nan),
    "faint": smooth((12, 12), 7, 2) * 0.02,
    "one_row": smooth((1, 20), 8, 2),
}


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("name", HEATMAPS)
def test_same_as_one_threshold_at_a_time(name, multi):
    heatmap = HEATMAPS[name]
    found = boxes_at_thresholds(heatmap, ALL_THRESHOLDS, multi)
    expected = [one_threshold(heatmap, t, multi) for t in ALL_THRESHOLDS]
    if multi:
        # Which contour comes first is nobody's business here.
        found = [sorted(boxes.tolist()) for boxes in found]
        assert found == [sorted(boxes) for boxes in expected]
    else:
        np.testing.assert_array_equal(found, expected)


def test_thresholds_in_any_order_and_repeated():
    heatmap = single_pixels()
    thresholds = [0.9, 0.1, 0.5, 0.1, 0.0, 0.9]
    expected = [one_threshold(heatmap, t) for t in thresholds]
    assert len(set(map(tuple, expected))) == 3
    np.testing.assert_array_equal(
        boxes_at_thresholds(heatmap, thresholds), expected
    )


@pytest.mark.parametrize(
    ("filled", "expected"),
    [
        # A box is (x0, y0, x1, y1), its right and lower end exclusive.
        ({(2, 5, 3, 8): 1.0}, (3, 2, 8, 5)),
        # Ends are cut at the last pixel of the width and of the height.
        ({(0, 10, 0, 20): 1.0}, (0, 0, 19, 9)),
        ({(7, 10, 14, 20): 1.0}, (14, 7, 19, 9)),
        # The largest component, not the highest one.
        ({(1, 3, 1, 3): 1.0, (5, 9, 6, 12): 0.6}, (6, 5, 12, 9)),
        # Of equal ones OpenCV's first, which is the lowest.
        ({(1, 3, 1, 3): 1.0, (5, 7, 6, 8): 1.0}, (6, 5, 8, 7)),
        # Corners connect.
        ({(1, 4, 1, 4): 1.0, (4, 7, 4, 7): 1.0}, (1, 1, 7, 7)),
        # A line encloses no area, however long: the square wins.
        ({(1, 2, 0, 20): 1.0, (5, 7, 6, 8): 1.0}, (6, 5, 8, 7)),
        # A ring encloses what its hole holds, which solid pixels need not.
        (
            {(0, 7, 0, 7): 1.0, (1, 6, 1, 6): 0.0, (0, 5, 9, 14): 1.0},
            (0, 0, 7, 7),
        ),
    ],
)
def test_one_box_by_hand(filled, expected):
    heatmap = np.zeros((10, 20))
    for (top, bottom, left, right), value in filled.items():
        heatmap[top:bottom, left:right] = value
    assert boxes_at_thresholds(heatmap, [0.5]).tolist() == [list(expected)]


def test_all_boxes_include_those_of_holes():
    heatmap = np.zeros((12, 20))
    heatmap[1:9, 1:9] = 1
    heatmap[3:6, 3:6] = 0
    heatmap[2:4, 12:15] = 1
    (found,) = boxes_at_thresholds(heatmap, [0.5], multi=True)
    # The contour of a hole runs through the pixels around it.
    assert sorted(found.tolist()) == [
        [1, 1, 9, 9],
        [2, 2, 7, 7],
        [12, 2, 15, 4],
    ]


def test_a_pixel_at_the_threshold_is_left_out():
    heatmap = np.zeros((4, 9))
    # int(0.5 * 255) = 127: strictly more is needed.
    heatmap[1:3, 1:4] = 127.5 / 255
    heatmap[1:3, 4:7] = 128 / 255
    heatmap[0, 0] = 1
    assert boxes_at_thresholds(heatmap, [0.5]).tolist() == [[4, 1, 7, 3]]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_kept_gives_zeros(value):
    heatmap = np.full((5, 6), value)
    assert boxes_at_thresholds(heatmap, [0, 0.5]).tolist() == [[0] * 4] * 2
    for found in boxes_at_thresholds(heatmap, [0, 0.5], multi=True):
        assert found.tolist() == [[0] * 4]


@pytest.mark.parametrize("shape", [(8,), (8, 8, 1), ()])
def test_wrong_rank_is_refused(shape):
    with pytest.raises(ValueError, match=r"\(height, width\)"):
        boxes_at_thresholds(np.zeros(shape), [0.5])


@pytest.mark.parametrize("value", [-0.01, 1.01, 255, np.inf, -np.inf])
def test_values_out_of_range_are_refused(value):
    heatmap = np.full((4, 4), 0.5)
    heatmap[1, 2] = value
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        boxes_at_thresholds(heatmap, [0.5])


def pixels(box):
    """The pixels of a box whose ends both belong to it."""
    x0, y0, x1, y1 = box
    return {(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}


def test_iou_counts_pixels():
    generator = np.random.default_rng(0)
    boxes, others = (
        [
            (*begin, *(begin + extent))
            for begin, extent in zip(
                generator.integers(-3, 9, (number, 2)),
                generator.integers(0, 7, (number, 2)),
                strict=True,
            )
        ]
        for number in (40, 30)
    )
    expected = [
        [
            len(pixels(a) & pixels(b)) / len(pixels(a) | pixels(b))
            for b in others
        ]
        for a in boxes
    ]
    np.testing.assert_allclose(box_iou(boxes, others), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("box", "other", "expected"),
    [
        ((1, 2, 5, 6), (3, 1, 4, 5), 8 / 27),
        ((2, 3, 7, 9), (2, 3, 7, 9), 1),
        ((0, 0, 0, 0), (0, 0, 0, 0), 1),
        ((0, 0, 3, 3), (3, 3, 6, 6), 1 / 31),
        ((0, 0, 3, 3), (4, 0, 6, 3), 0),
        # Apart in both directions: two negative lengths must not multiply.
        ((0, 0, 2, 2), (9, 9, 12, 12), 0),
        ((0, 9, 2, 12), (9, 0, 12, 2), 0),
    ],
)
def test_iou_by_hand(box, other, expected):
    assert box_iou([box], [other]) == pytest.approx(expected, abs=1e-12)
    assert box_iou([other], [box]) == pytest.approx(expected, abs=1e-12)


def test_iou_has_a_row_for_each_box():
    assert box_iou(np.zeros((3, 4)), np.zeros((2, 4))).shape == (3, 2)
    assert box_iou(np.zeros((0, 4)), np.zeros((2, 4))).shape == (0, 2)


@pytest.mark.parametrize("threshold", [-0.1, 20, np.nan])
def test_thresholds_out_of_range(threshold):
    with pytest.raises(ValueError, match=r"`thresholds` must lie in \[0, 1\]"):
        boxes_at_thresholds(np.ones((4, 5)), [0.2, threshold])
