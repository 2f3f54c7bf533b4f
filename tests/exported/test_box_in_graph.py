"""Heatmaps and boxes of exported models against the measures' own."""

import numpy as np
import pytest
import tensorflow as tf

from adl_tf.exported import box_in_graph as in_graph
from adl_tf.localization.boxes import boxes_at_cutoffs, cutoffs
from adl_tf.localization.heatmaps import to_heatmap
from adl_tf.localization.protocols import PROTOCOLS

boxes_above = tf.function(in_graph.boxes_above, reduce_retracing=True)
THRESHOLDS = np.array([0, 0.05, 0.2, 0.35, 0.5, 0.8, 0.999, 1], np.float32)


def smooth_heatmaps(count, side, cells, seed):
    random = np.random.default_rng(seed)
    return np.stack(
        [
            to_heatmap(random.random((cells, cells), np.float32), side)
            for _ in range(count)
        ]
    )


def plateaus(heatmaps):
    """Few levels, so that many components are of one size."""
    return np.round(heatmaps * 3) / np.float32(3)


HEATMAPS = {
    "smooth": smooth_heatmaps(30, 48, 6, 0),
    "rough": smooth_heatmaps(30, 24, 12, 1),
    "noise": np.random.default_rng(2).random((30, 16, 16), np.float32),
    "plateaus": plateaus(smooth_heatmaps(30, 32, 8, 3)),
    "wide": smooth_heatmaps(10, 32, 8, 4)[:, :9],
    "faint": smooth_heatmaps(5, 24, 5, 5) * np.float32(0.03),
    "nothing": np.zeros((2, 8, 8), np.float32),
    "everything": np.ones((2, 8, 8), np.float32),
}


@pytest.mark.parametrize("by_rectangle", [False, True])
@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("name", HEATMAPS)
def test_boxes_of_the_protocols(name, protocol, by_rectangle):
    heatmaps = HEATMAPS[name]
    found = [
        boxes_above(
            tf.constant(heatmaps),
            tf.fill((len(heatmaps),), threshold),
            protocol.levels,
            by_rectangle,
        ).numpy()
        for threshold in THRESHOLDS
    ]
    for index, heatmap in enumerate(heatmaps):
        levels = protocol.to_levels(heatmap)
        expected = boxes_at_cutoffs(
            levels, cutoffs(levels, THRESHOLDS), by_rectangle
        )
        np.testing.assert_array_equal([row[index] for row in found], expected)


def test_a_threshold_for_each_heatmap():
    heatmaps = HEATMAPS["smooth"][: len(THRESHOLDS)]
    found = in_graph.boxes_above(heatmaps, tf.constant(THRESHOLDS)).numpy()
    for heatmap, threshold, box in zip(heatmaps, THRESHOLDS, found):
        levels = PROTOCOLS["wsoleval_cvpr20"].to_levels(heatmap)
        expected = boxes_at_cutoffs(levels, cutoffs(levels, [threshold]))
        assert box.tolist() == expected[0].tolist()


def test_no_threshold_of_a_protocol_is_lost_in_single_precision():
    values = np.arange(1000) / 1000
    single = values.astype(np.float32) * np.float32(255)
    np.testing.assert_array_equal(
        single.astype(int), (values * 255).astype(int)
    )


def test_no_images():
    boxes = in_graph.boxes_above(tf.zeros((0, 8, 8)), tf.zeros((0,)))
    assert boxes.shape == (0, 4)


def test_heatmaps_are_those_of_opencv():
    maps = np.random.default_rng(1).normal(size=(3, 7, 7)).astype(np.float32)
    heatmaps = in_graph.to_heatmaps(tf.constant(maps), 56).numpy()
    for class_map, heatmap in zip(maps, heatmaps):
        np.testing.assert_allclose(
            heatmap, to_heatmap(class_map, 56), atol=1e-5
        )


def test_maps_without_an_answer():
    maps = np.zeros((5, 4, 4), np.float32)
    maps[1] = 3
    maps[2, 1, 1] = np.nan
    maps[3, 1, 1] = np.inf
    maps[4, 1, 1] = 1
    heatmaps = in_graph.to_heatmaps(tf.constant(maps), 16).numpy()
    assert not heatmaps[:4].any()
    assert heatmaps[4].max() == 1
