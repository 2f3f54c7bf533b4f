"""Protocols as other sources read them."""

import json

import cv2
import numpy as np
import pytest

from adl_tf.localization.protocols import CHOICES, PROTOCOLS, varied
from tests.localization.plain import class_map, largest_box

ADL = PROTOCOLS["adl_cvpr19"]
WSOLEVAL = PROTOCOLS["wsoleval_cvpr20"]


def boxes_of(protocol, values, size=48):
    heatmap = protocol.heatmap(values, size)
    return protocol.predicted_boxes(protocol.to_levels(heatmap))


def blobs(seed):
    return class_map((12, 12), seed, 1)


def test_name_and_rules_carry_the_options():
    options = "largest_by=rectangle, clip_boxes=true"
    protocol = varied(ADL, options)
    assert protocol.name == f"adl_cvpr19+{options}"
    assert protocol.largest_by == "rectangle"
    assert protocol.clip_boxes is True
    assert protocol.thresholds == ADL.thresholds
    assert ADL.clip_boxes is False


@pytest.mark.parametrize("rule", CHOICES)
def test_every_choice_is_taken(rule):
    for value in CHOICES[rule]:
        taken = getattr(varied(ADL, f"{rule}={value}"), rule)
        assert json.dumps(taken).strip('"') == value


@pytest.mark.parametrize(
    "options",
    [
        "",
        "largest_by",
        "largest_by=pixels",
        "nonsense=1",
        "min_iou=0.3",
        "a=b,",
    ],
)
def test_no_such_option(options):
    with pytest.raises(ValueError, match=r"largest_by=area\|rectangle"):
        varied(ADL, options)


def test_largest_rectangle():
    protocol = varied(ADL, "largest_by=rectangle")
    differing = 0
    for seed in range(6):
        levels = protocol.to_levels(protocol.heatmap(blobs(seed), 48))
        found = protocol.predicted_boxes(levels)
        differing += np.any(found != ADL.predicted_boxes(levels))
        for box, threshold in zip(found, protocol.threshold_values()):
            cutoff = int(int(levels.max()) * threshold)
            assert box.tolist() == largest_box(levels, cutoff, True)
    assert differing > 0


def test_share_of_the_maximum():
    # From -1 to 1: half of the range is 0, half of the maximum 0.5. More is
    # needed than that: the next column.
    ramp = np.tile(np.linspace(-1, 1, 49), (49, 1))
    protocol = varied(ADL, "normalization=max,levels=linear")
    heatmap = protocol.heatmap(ramp, 49)
    np.testing.assert_allclose(heatmap, np.maximum(ramp, 0), atol=1e-6)
    middle = int(np.argmin(np.abs(protocol.threshold_values() - 0.5)))
    assert boxes_of(protocol, ramp, 49)[middle][0] == 37
    assert boxes_of(varied(ADL, "levels=linear"), ramp, 49)[middle][0] == 25
    # Nothing positive: nothing to divide by.
    assert not protocol.heatmap(ramp - 2, 49).any()


def test_interpolation():
    values = blobs(3)
    for name, flag in (
        ("bilinear", cv2.INTER_LINEAR),
        ("bicubic", cv2.INTER_CUBIC),
    ):
        expected = cv2.resize(
            values.astype(np.float32), (48, 48), interpolation=flag
        )
        expected = (expected - expected.min()) / np.ptp(expected)
        protocol = varied(WSOLEVAL, f"interpolation={name}")
        found = protocol.heatmap(values, 48)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_levels():
    heatmap = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    linear = varied(ADL, "levels=linear").to_levels(heatmap)
    np.testing.assert_array_equal(linear, np.uint8(heatmap * 255))
    cubehelix = varied(WSOLEVAL, "levels=cubehelix").to_levels(heatmap)
    np.testing.assert_array_equal(cubehelix, ADL.to_levels(heatmap))
    assert len(np.unique(cubehelix)) == 208


def test_first_or_any_box():
    boxes = [(10, 20, 110, 120), (0, 0, 50, 60)]
    for protocol in (ADL, WSOLEVAL):
        first = varied(protocol, "ground_truth=first")
        every = varied(protocol, "ground_truth=any")
        arguments = (boxes, (256, 256), 224, 256)
        assert len(first.target_boxes(*arguments)) == 1
        assert len(every.target_boxes(*arguments)) == 2
        np.testing.assert_array_equal(
            first.target_boxes(*arguments), every.target_boxes(*arguments)[:1]
        )


@pytest.mark.parametrize(
    ("box", "cut", "whole"),
    [
        ((0, 0, 256, 256), [0, 0, 223, 223], [-16, -16, 240, 240]),
        ((30, 5, 250, 100), [14, 0, 223, 84], [14, -11, 234, 84]),
        ((20, 40, 60, 80), [4, 24, 44, 64], [4, 24, 44, 64]),
    ],
)
def test_ground_truth_cut_at_the_crop(box, cut, whole):
    # The authors' older code.
    protocol = varied(ADL, "clip_ground_truth=true")
    assert protocol.target_boxes([box], (256, 256), 224, 256).tolist() == [cut]
    assert ADL.target_boxes([box], (256, 256), 224, 256).tolist() == [whole]


def test_ground_truth_not_cut():
    protocol = varied(WSOLEVAL, "clip_ground_truth=false")
    box = [(-2, -4, 230, 232)]
    assert protocol.target_boxes(box, (224, 112), 224, 256).tolist() == [
        [-2, -8, 230, 464]
    ]
    assert WSOLEVAL.target_boxes(box, (224, 112), 224, 256).tolist() == [
        [0, 0, 223, 222]
    ]


def test_boxes_cut_at_the_last_pixel():
    ramp = np.tile(np.arange(48.0), (48, 1))
    assert boxes_of(ADL, ramp)[:, 2].tolist() == [48] * 19
    found = boxes_of(varied(ADL, "clip_boxes=true"), ramp)
    assert found[:, 2].tolist() == found[:, 3].tolist() == [47] * 19


def test_crop_or_warp():
    box = [(32, 32, 96, 96)]
    crop, warp = (
        varied(WSOLEVAL, f"centre_crop={value}").target_boxes(
            box, (128, 128), 224, 256
        )
        for value in ("true", "false")
    )
    assert crop.tolist() == [[48, 48, 176, 176]]
    assert warp.tolist() == [[56, 56, 168, 168]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("protocol", [ADL, WSOLEVAL], ids=lambda p: p.name)
def test_map_of_a_network_that_diverged(protocol, value):
    values = blobs(0)
    values[3, 5] = value
    found = boxes_of(protocol, values)
    assert np.unique(found, axis=0).tolist() == [[*protocol.empty_box]]
