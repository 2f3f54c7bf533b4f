import cv2
import numpy as np
import pytest
import tensorflow as tf

from adl_tf.localization import in_graph
from adl_tf.localization.heatmaps import to_heatmap


def random_masks(count, side):
    random = np.random.default_rng(0)
    return np.stack(
        [
            cv2.resize(
                random.random((9, 9), np.float32),
                (side, side),
                interpolation=cv2.INTER_CUBIC,
            )
            > random.uniform(0.2, 0.9)
            for _ in range(count)
        ]
    )


def spiral(side):
    """One component whose ends are far apart: many rounds if done badly."""
    mask = np.zeros((side, side), bool)
    low, high, row, column = 0, side - 1, 0, 0
    mask[0, 0] = True
    for turn in range(side):
        target = high if turn % 4 < 2 else low
        if turn % 2 == 0:
            mask[row, min(column, target) : max(column, target) + 1] = True
            column = target
        else:
            mask[min(row, target) : max(row, target) + 1, column] = True
            row = target
        if turn % 4 == 2:
            low += 2
        if turn % 4 == 3:
            high -= 2
        if high - low < 3:
            break
    return mask


def expected_box(mask):
    _, _, statistics, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    x, y, width, height, _ = statistics[1 + np.argmax(statistics[1:, 4])]
    return [x, y, x + width, y + height]


def test_components():
    masks = np.stack([*random_masks(20, 32), spiral(32)])
    labels = in_graph._component_labels(tf.constant(masks)).numpy()
    assert (labels[~masks] == 0).all()
    for mask, label in zip(masks, labels):
        count, reference = cv2.connectedComponents(
            mask.astype(np.uint8), connectivity=8
        )
        pairs = set(zip(reference[mask].tolist(), label[mask].tolist()))
        assert len(pairs) == count - 1
        assert len({second for _, second in pairs}) == count - 1


def test_largest_boxes():
    masks = random_masks(30, 48)
    boxes = in_graph.largest_boxes(tf.constant(masks)).numpy()
    for mask, box in zip(masks, boxes):
        assert box.tolist() == expected_box(mask)


def test_nothing_kept():
    boxes = in_graph.largest_boxes(tf.zeros((2, 8, 8), tf.bool))
    assert boxes.numpy().tolist() == [[0, 0, 0, 0]] * 2


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_map(value):
    heatmap = in_graph.to_heatmaps(tf.fill((1, 4, 4), value), 16)
    assert not heatmap.numpy().any()


def test_heatmaps_are_those_of_opencv():
    maps = np.random.default_rng(1).normal(size=(3, 7, 7)).astype(np.float32)
    heatmaps = in_graph.to_heatmaps(tf.constant(maps), 56).numpy()
    for class_map, heatmap in zip(maps, heatmaps):
        np.testing.assert_allclose(
            heatmap, to_heatmap(class_map, 56), atol=1e-5
        )
