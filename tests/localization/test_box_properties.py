"""Any heatmap: boxes against one contour search a cut-off."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from adl_tf.localization.boxes import (
    boxes_at_cutoffs,
    boxes_at_thresholds,
    contours_at_cutoffs,
)
from adl_tf.localization.components import contour_boxes
from adl_tf.localization.heatmaps import to_heatmap
from tests.localization.plain import (
    box_of,
    contours_above,
    largest_box,
    smooth,
)

ALL_CUTOFFS = np.arange(256)
NOWHERE = np.zeros(256, bool)
ALL_THRESHOLDS = np.arange(1000) / 1000
# The first call may compile.
many = settings(max_examples=50, deadline=None)


def assert_as_one_cutoff_at_a_time(levels):
    for by_rectangle in (False, True):
        expected = [
            largest_box(levels, cutoff, by_rectangle) for cutoff in ALL_CUTOFFS
        ]
        found = boxes_at_cutoffs(levels, ALL_CUTOFFS, by_rectangle)
        np.testing.assert_array_equal(found, expected)
    _, boxes, cutoffs = contours_at_cutoffs(levels, ALL_CUTOFFS)
    assert np.all(np.diff(cutoffs) >= 0)
    found = [[] for _ in ALL_CUTOFFS]
    for box, cutoff in zip(boxes.tolist(), cutoffs):
        found[cutoff].append(box)
    for cutoff in ALL_CUTOFFS:
        contours = contours_above(levels, int(cutoff))
        assert sorted(found[cutoff]) == sorted(map(box_of, contours))


def shapes(limit):
    sides = st.integers(1, limit)
    return st.one_of(
        st.tuples(sides, sides),
        st.tuples(st.just(1), sides),
        st.tuples(sides, st.just(1)),
    )


@many
@given(arrays.arrays(np.uint8, shapes(9), elements=st.integers(0, 255)))
def test_many_levels(levels):
    assert_as_one_cutoff_at_a_time(levels)


@many
@given(
    arrays.arrays(
        np.uint8, shapes(9), elements=st.sampled_from([0, 1, 90, 255])
    )
)
def test_few_levels(levels):
    assert_as_one_cutoff_at_a_time(levels)


@many
@given(shapes(24), st.integers(0, 2**32 - 1), st.floats(0.2, 0.95))
def test_binary_noise(shape, seed, share):
    noise = np.random.default_rng(seed).random(shape) < share
    assert_as_one_cutoff_at_a_time(np.uint8(noise * 200))


@many
@given(
    shapes(40),
    st.integers(0, 2**32 - 1),
    st.floats(0.5, 4),
    st.integers(1, 12),
)
def test_plateaus(shape, seed, width, steps):
    plateaus = np.round(smooth(shape, seed, width) * steps) / steps
    assert_as_one_cutoff_at_a_time(np.uint8(plateaus * 255))


@settings(max_examples=30, deadline=None)
@given(
    shapes(30),
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.floats(0.01, 1),
)
def test_thresholds_of_floats(shape, seed, kind, highest):
    heatmap = (smooth(shape, seed, 1.5) * highest).astype(kind)
    # In the numbers as they are, not rounded to halves once more.
    levels = np.uint8(np.float64(heatmap) * 255)
    if kind == np.float32:
        levels = np.uint8(heatmap * np.float32(255))
    limit = [shape[1] - 1, shape[0] - 1] * 2
    expected, expected_all = [], []
    for threshold in ALL_THRESHOLDS:
        cutoff = int(threshold * int(levels.max()))
        box = largest_box(levels, cutoff, by_rectangle=False)
        expected.append(np.minimum(box, limit))
        every = [box_of(each) for each in contours_above(levels, cutoff)]
        every = np.minimum(every or [[0, 0, 0, 0]], limit)
        expected_all.append(sorted(every.tolist()))
    found = boxes_at_thresholds(heatmap, ALL_THRESHOLDS)
    np.testing.assert_array_equal(found, expected)
    found = boxes_at_thresholds(heatmap, ALL_THRESHOLDS, multi=True)
    assert [sorted(each.tolist()) for each in found] == expected_all


def maps_like_those_of_networks(count):
    for seed in range(count):
        small = smooth((14, 14), seed, 0.5 + seed % 5)
        yield np.uint8(to_heatmap(small, 224, "bicubic") * 255)


def test_enlarged_maps():
    for levels in maps_like_those_of_networks(5):
        assert_as_one_cutoff_at_a_time(levels)


def test_open_cutoffs_are_rare_where_maps_are_smooth():
    # Each costs a contour search, which is what all this is to save.
    shares = [
        [
            contour_boxes(levels, NOWHERE, 0, rule)[1].mean()
            for rule in (False, True)
        ]
        for levels in maps_like_those_of_networks(40)
    ]
    assert np.mean(shares, axis=0).max() < 0.05


@pytest.mark.slow
@pytest.mark.real_data
def test_maps_of_photographs(test_data, test_weights):
    from keras import ops

    from adl_tf.datasets.cub import cub
    from adl_tf.heatmaps.class_maps import class_activation_maps, feature_model
    from adl_tf.methods.build import build_model

    examples = cub(str(test_data / "CUB_200_2011"), "test").of_classes("1-25")
    images = np.stack(
        [
            cv2.resize(cv2.imread(path)[..., ::-1], (224, 224))
            for path in examples.paths[::20]
        ]
    )
    model = build_model(
        "mobilenet_v1",
        num_classes=1000,
        weights=str(test_weights / "mobilenet_1_0_224_tf.h5"),
    )
    logits, features = feature_model(model).predict(images, verbose=0)
    maps = class_activation_maps(
        features, model.get_layer("logits").kernel, logits.argmax(axis=1)
    )
    shares = []
    for class_map in ops.convert_to_numpy(maps):
        levels = np.uint8(to_heatmap(class_map, 224, "bicubic") * 255)
        assert_as_one_cutoff_at_a_time(levels)
        shares.append(contour_boxes(levels, NOWHERE)[1].mean())
    assert len(shares) >= 30
    assert np.mean(shares) < 0.05
