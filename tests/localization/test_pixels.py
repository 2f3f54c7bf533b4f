"""Pixel average precision against a plain sweep."""

import numpy as np
import pytest

from adl_tf.localization import pixel_average_precision


def plain(heatmaps, masks, ignored=None):
    """Precision and recall of `score >= threshold`, highest first."""
    heatmaps = [np.nan_to_num(np.float64(each)) for each in heatmaps]
    if ignored is None:
        ignored = [np.zeros_like(mask) for mask in masks]
    counted = [mask | ~left for mask, left in zip(masks, ignored)]
    scores = np.concatenate([h[c] for h, c in zip(heatmaps, counted)])
    truth = np.concatenate([m[c] for m, c in zip(masks, counted)])
    area, last_recall = 0.0, 0.0
    for step in range(1000, -1, -1):
        kept = scores >= step / 1000
        if not kept.any():
            continue
        recall = (kept & truth).sum() / truth.sum()
        precision = (kept & truth).sum() / kept.sum()
        area += precision * (recall - last_recall)
        last_recall = recall
    return 100 * area


def drawn(seed, count=4, shape=(12, 17)):
    generator = np.random.default_rng(seed)
    masks = [generator.random(shape) < 0.3 for _ in range(count)]
    # Off the edges of the bins, which floats do not meet exactly.
    heatmaps = [
        (np.floor(800 * generator.random(shape) + 199 * mask) + 0.5) / 1000
        for mask in masks
    ]
    ignored = [generator.random(shape) < 0.2 for _ in range(count)]
    return heatmaps, masks, ignored


@pytest.mark.parametrize("seed", range(5))
def test_as_a_plain_sweep(seed):
    heatmaps, masks, ignored = drawn(seed)
    without = pixel_average_precision(heatmaps, masks)
    assert without == pytest.approx(plain(heatmaps, masks), abs=1e-9)
    found = pixel_average_precision(heatmaps, masks, ignored)
    assert found == pytest.approx(plain(heatmaps, masks, ignored), abs=1e-9)
    assert found != pytest.approx(without, abs=1e-3)


def test_pixels_of_all_images_are_pooled():
    heatmaps, masks, _ = drawn(7, count=2)
    masks[1] = masks[1] & (np.arange(17) < 3)
    each = [plain([h], [m]) for h, m in zip(heatmaps, masks)]
    found = pixel_average_precision(iter(heatmaps), iter(masks))
    assert found == pytest.approx(plain(heatmaps, masks), abs=1e-9)
    assert found != pytest.approx(np.mean(each), abs=0.1)


def test_by_hand():
    heatmap = np.array([[0.9, 0.7, 0.5, 0.1]])
    mask = np.array([[True, False, True, False]])
    # Right 1 of 1, then 2 of 3.
    expected = 100 * (1 * 0.5 + 2 / 3 * 0.5)
    assert pixel_average_precision([heatmap], [mask]) == pytest.approx(expected)
    # The wrong one does not count, but an ignored pixel of the object does.
    ignored = np.array([[True, True, False, False]])
    found = pixel_average_precision([heatmap], [mask], [ignored])
    assert found == pytest.approx(100)


def test_perfect_inverted_and_constant():
    mask = np.zeros((10, 20), bool)
    mask[2:6, 5:15] = True
    assert pixel_average_precision([mask.astype(float)], [mask]) == 100
    # All is kept before the object is: a fifth of it is the object.
    inverted = 1 - mask.astype(np.float32)
    assert pixel_average_precision([inverted], [mask]) == pytest.approx(20)
    constant = np.full(mask.shape, 0.4)
    assert pixel_average_precision([constant], [mask]) == pytest.approx(20)


def test_nan_counts_as_zero():
    heatmaps, masks, _ = drawn(3)
    heatmaps[1][3:7, 2:9] = np.nan
    found = pixel_average_precision(heatmaps, masks)
    heatmaps[1] = np.nan_to_num(heatmaps[1])
    assert found == pixel_average_precision(heatmaps, masks)


@pytest.mark.parametrize(
    ("heatmap", "mask", "ignored", "words"),
    [
        (np.zeros((4, 5)), np.ones((5, 4)), None, "shape"),
        (np.zeros((4, 5)), np.ones((4, 5)), np.zeros((4, 4)), "shape"),
        (np.zeros((4, 5)), np.zeros((4, 5)), None, "pixel of an object"),
        (np.full((4, 5), -0.1), np.ones((4, 5)), None, r"\[0, 1\]"),
        (np.full((4, 5), 200.0), np.ones((4, 5)), None, r"\[0, 1\]"),
        (np.zeros((4, 5, 1)), np.ones((4, 5, 1)), None, "height, width"),
    ],
)
def test_refused(heatmap, mask, ignored, words):
    ignored = None if ignored is None else [ignored]
    with pytest.raises(ValueError, match=words):
        pixel_average_precision([heatmap], [mask], ignored)


def test_as_many_masks_as_heatmaps():
    with pytest.raises(ValueError):
        pixel_average_precision([np.ones((3, 3))], [np.ones((3, 3))] * 2)
    with pytest.raises(ValueError, match="pixel of an object"):
        pixel_average_precision([], [])
