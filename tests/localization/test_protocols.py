"""Protocols against plain NumPy and OpenCV."""

import math

import cv2
import numpy as np
import pytest

from adl_tf.datasets.cub import cub
from adl_tf.localization.boxes import box_iou, cutoffs
from adl_tf.localization.heatmaps import to_heatmap
from adl_tf.localization.protocols import PROTOCOLS, cubehelix_grey
from tests.localization.plain import class_map, largest_box

ADL = PROTOCOLS["adl_cvpr19"]
WSOLEVAL = PROTOCOLS["wsoleval_cvpr20"]


def grey_of_cubehelix(index):
    """Green (2011) by its formula, then OpenCV's own grey conversion."""
    lightness = index / 255
    angle = 2 * math.pi * (0.5 / 3 - 1.5 * lightness)
    amplitude = lightness * (1 - lightness) / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    colour = [
        lightness + amplitude * (-0.14861 * cosine + 1.78277 * sine),
        lightness + amplitude * (-0.29227 * cosine - 0.90649 * sine),
        lightness + amplitude * 1.97294 * cosine,
    ]
    rgb = np.array(colour).clip(0, 1) * 255
    return cv2.cvtColor(np.uint8(rgb)[None, None], cv2.COLOR_RGB2GRAY)[0, 0]


def estimate(protocol, values, size):
    levels = protocol.to_levels(protocol.heatmap(values, size))
    return protocol.predicted_boxes(levels)


def plain_pipeline(values, size, name):
    """E.1.2-7 or E.2.2-5, one threshold after the other."""
    authors = name == "adl_cvpr19"
    heatmap = cv2.resize(
        values.astype(np.float32),
        (size, size),
        interpolation=cv2.INTER_LINEAR if authors else cv2.INTER_CUBIC,
    )
    heatmap = heatmap - heatmap.min()
    heatmap = heatmap / heatmap.max()
    if authors:
        table = np.ravel([grey_of_cubehelix(index) for index in range(256)])
        levels = table[np.minimum((heatmap * 256).astype(int), 255)]
        thresholds = [step / 20 for step in range(1, 20)]
    else:
        levels = np.uint8(heatmap * 255)
        thresholds = [step / 1000 for step in range(1000)]
    answer = []
    for threshold in thresholds:
        box = largest_box(levels, int(threshold * levels.max()))
        answer.append(box if authors else [min(end, size - 1) for end in box])
    return answer


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize(
    ("side", "size", "seed"),
    [(14, 56, 0), (14, 56, 1), (7, 48, 2), (14, 28, 3), (28, 64, 4)],
)
def test_estimates_as_the_plain_pipeline(protocol, side, size, seed):
    blobs = class_map((side, side), seed, side / 8)
    expected = plain_pipeline(blobs, size, protocol.name)
    assert len({tuple(box) for box in expected}) > 3
    np.testing.assert_array_equal(estimate(protocol, blobs, size), expected)


def test_thresholds():
    """To the last bit: a decimal fraction, and a multiple of 0.001."""
    assert ADL.threshold_values().tolist() == [k / 20 for k in range(1, 20)]
    assert WSOLEVAL.threshold_values().tolist() == [
        k * 0.001 for k in range(1000)
    ]


@pytest.mark.parametrize(
    ("largest", "step", "cutoff"),
    [
        # Exact products: the nearest float to the decimal fraction falls
        # short of these, and 0.001 multiplied does not.
        (90, 700, 63),
        (100, 570, 57),
        (150, 820, 123),
        (170, 700, 119),
        (180, 350, 63),
        (180, 700, 126),
        (200, 285, 57),
        (200, 565, 113),
        (200, 570, 114),
        (200, 575, 115),
    ],
)
def test_cutoffs_are_those_of_the_published_floats(largest, step, cutoff):
    levels = np.array([[0, largest]], np.uint8)
    found = cutoffs(levels, WSOLEVAL.threshold_values())[step]
    assert found == int(step * 0.001 * largest) == cutoff
    assert int(step / 1000 * largest) == cutoff - 1


def test_grey_values_of_cubehelix():
    grey = cubehelix_grey().astype(int)
    expected = np.array([grey_of_cubehelix(i) for i in range(256)], int)
    # OpenCV's weights had 14 bits and now have 15: two values differ by 1.
    assert np.abs(grey - expected).max() <= 1
    for threshold in ADL.threshold_values():
        cutoff = int(255 * threshold)
        assert np.argmax(grey > cutoff) == np.argmax(expected > cutoff)
    # Measured on the authors' code.
    assert len(set(grey.tolist())) == 208
    assert np.all(np.diff(grey) >= 0)
    assert np.abs(grey - np.arange(256)).max() <= 2
    assert (grey[0], grey[255]) == (0, 255)


@pytest.mark.parametrize(
    ("threshold", "published"),
    [
        (0.05, 0.0508),
        (0.10, 0.1016),
        (0.15, 0.1524),
        (0.20, 0.2031),
        (0.25, 0.2500),
        (0.30, 0.3008),
        (0.35, 0.3555),
    ],
)
def test_published_cutoffs_on_a_ramp(threshold, published):
    side = 1025  # Steps of 1/1024, so that cut-offs k/256 are met exactly.
    ramp = np.tile(np.arange(side) * 3.0 - 700, (side, 1))
    found = estimate(ADL, ramp, side)
    index = int(np.argmin(np.abs(ADL.threshold_values() - threshold)))
    x0, y0, x1, y1 = found[index]
    assert (y0, x1, y1) == (0, side, side)
    assert x0 / (side - 1) == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize(
    ("protocol", "box"),
    [(ADL, [0, 0, 1, 1]), (WSOLEVAL, [0, 0, 0, 0])],
    ids=lambda each: getattr(each, "name", ""),
)
@pytest.mark.parametrize("value", [0.0, -3.5, np.nan])
def test_box_where_nothing_stands_out(protocol, box, value):
    found = estimate(protocol, np.full((14, 14), value), 32)
    assert found.tolist() == [box] * len(protocol.threshold_values())


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # Images of 512 x 256: x is halved, y stays; 16 less for the crop.
        ((32, 16, 480, 240), (0, 0, 224, 224)),
        ((33, 17, 101, 99), (0, 1, 34, 83)),
        # Towards zero: -0.5 becomes 0 and -1.5 becomes -1.
        ((31, 15.5, 29, 14.5), (0, 0, -1, -1)),
        # Neither cut at the crop nor at the image.
        ((0, 0, 512, 256), (-16, -16, 240, 240)),
        ((-8, 3, 520, 262), (-20, -13, 244, 246)),
    ],
)
def test_ground_truth_of_the_authors(box, expected):
    found = ADL.target_boxes([box, (1, 2, 3, 4)], (512, 256), 224, 256)
    assert found.tolist() == [list(expected)]


@pytest.mark.parametrize(
    ("image_size", "box", "expected"),
    [
        # Images warped to 224 x 224 whatever the size before a crop.
        ((448, 112), (33, 10, 101, 50), (16, 20, 50, 100)),
        # Cut at the last pixel before the warp: 447 / 2, 111 * 2.
        ((448, 112), (-5, -3, 460, 130), (0, 0, 223, 222)),
        ((896, 448), (895, 447, 896, 448), (223, 223, 223, 223)),
    ],
)
def test_ground_truth_of_wsolevaluation(image_size, box, expected):
    other = np.array([0, 0, *image_size]) / 2
    found = WSOLEVAL.target_boxes([box, other], image_size, 224, 256)
    assert found.tolist() == [list(expected), [0, 0, 112, 112]]


def test_scales_as_wsolevaluation_does():
    # Its own test: (1, 2, 4, 3) in 10 x 20 is (3, 1, 14, 1) in 35 x 10.
    box = [(1, 2, 4, 3)]
    ((x0, _, x1, _),) = WSOLEVAL.target_boxes(box, (10, 20), 35, 35)
    ((_, y0, _, y1),) = WSOLEVAL.target_boxes(box, (10, 20), 10, 10)
    assert (x0, y0, x1, y1) == (3, 1, 14, 1)


def jpeg_size(path):
    """Width and height from a JPEG's start-of-frame segment."""
    data = path.read_bytes()
    place = 2
    while not (0xC0 <= data[place + 1] <= 0xC2):
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    height, width = data[place + 5 : place + 7], data[place + 7 : place + 9]
    return int.from_bytes(width, "big"), int.from_bytes(height, "big")


def whole_input_is_right(line, size, authors):
    """E.1.8-9 or E.2.3, 6 for one line of CUB's bounding_boxes.txt."""
    x, y, width, height = (float(field) for field in line.split()[1:])
    ends = [(x, x + width, size[0]), (y, y + height, size[1])]
    last = 224 if authors else 223
    overlap, truth = 1, 1
    for first, end, length in ends:
        if authors:
            first, end = (int(v * 256 / length - 16) for v in (first, end))
        else:
            inside = (min(max(v, 0), length - 1) for v in (first, end))
            first, end = (int(v * 224 / length) for v in inside)
        truth *= end - first + 1
        overlap *= max(0, min(end, last) - max(first, 0) + 1)
    return overlap / (truth + (last + 1) ** 2 - overlap) >= 0.5


def test_whole_image_as_the_box_on_cub(test_data):
    root = test_data / "CUB_200_2011"
    examples = cub(str(root), "test").of_classes("1-25")
    sizes = [jpeg_size(root / "images" / name) for name in examples.image_ids]
    numbers, is_train, lines = (
        (root / name).read_text().split("\n")
        for name in ("images.txt", "train_test_split.txt", "bounding_boxes.txt")
    )
    line_of = {
        name.split()[1]: line
        for name, train, line in zip(numbers, is_train, lines, strict=True)
        if name and train.split()[1] == "0"
    }
    shares = []
    for protocol, last in ((ADL, 224), (WSOLEVAL, 223)):
        right = [
            box_iou(
                [[0, 0, last, last]],
                protocol.target_boxes(boxes, size, 224, 256),
            ).max()
            >= protocol.min_iou
            for boxes, size in zip(examples.boxes, sizes, strict=True)
        ]
        expected = [
            whole_input_is_right(line_of[name], size, protocol is ADL)
            for name, size in zip(examples.image_ids, sizes, strict=True)
        ]
        assert right == expected
        shares.append(np.mean(right))
    # All of CUB: 34.2 % and 19.0 %.
    assert 0.1 < shares[1] < shares[0] < 0.5


def keys_weight(distance, a=-0.75):
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0


def enlarging_matrix(size, side, weight):
    """Row i holds the weights of the `side` values for pixel i of `size`."""
    matrix = np.zeros((size, side))
    for row in range(size):
        centre = (row + 0.5) * side / size - 0.5
        for near in range(math.floor(centre) - 1, math.floor(centre) + 3):
            column = min(max(near, 0), side - 1)
            matrix[row, column] += weight(near - centre)
    return matrix


@pytest.mark.parametrize(
    ("interpolation", "weight"),
    [("bilinear", lambda d: max(0, 1 - abs(d))), ("bicubic", keys_weight)],
)
@pytest.mark.parametrize(("side", "size"), [(14, 56), (7, 30)])
def test_heatmap_is_the_enlarged_map(interpolation, weight, side, size):
    blobs = class_map((side, side), 9, side / 8)
    matrix = enlarging_matrix(size, side, weight)
    expected = matrix @ blobs @ matrix.T
    expected = (expected - expected.min()) / np.ptp(expected)
    heatmap = to_heatmap(blobs, size, interpolation)
    np.testing.assert_allclose(heatmap, expected, atol=1e-5)
    assert heatmap.dtype == np.float32
    assert (heatmap.min(), heatmap.max()) == (0, 1)


def test_heatmap_that_is_not_square():
    blobs = class_map((7, 9), 9, 1)
    heatmap = to_heatmap(blobs, (28, 54), "bilinear")
    vertical, horizontal = (
        enlarging_matrix(size, side, lambda d: max(0, 1 - abs(d)))
        for size, side in ((28, 7), (54, 9))
    )
    expected = vertical @ blobs @ horizontal.T
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(heatmap, expected, atol=1e-5)
    np.testing.assert_array_equal(to_heatmap(0 * blobs, (28, 54)), 0 * heatmap)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("filled", ["constant", "one_nan", "all_nan"])
def test_heatmap_of_nothing_is_zero(interpolation, filled):
    values = np.full((7, 7), 0.3)
    if filled == "one_nan":
        values = class_map((7, 7), 0, 1)
        values[3, 4] = np.nan
    elif filled == "all_nan":
        values[:] = np.nan
    heatmap = to_heatmap(values, 20, interpolation)
    np.testing.assert_array_equal(heatmap, np.zeros((20, 20)))
