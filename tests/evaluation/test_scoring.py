"""A test set that heatmaps are compared with."""

import tracemalloc

import cv2
import numpy as np
import pytest

from adl_tf.datasets.examples import Examples
from adl_tf.errors import DataError
from adl_tf.evaluation.predictions import Predictions
from adl_tf.evaluation.scoring import Scoring
from adl_tf.localization.heatmaps import to_heatmap
from adl_tf.localization.protocols import PROTOCOLS

ADL = PROTOCOLS["adl_cvpr19"]


def examples(boxes=((0, 0, 40, 40),), **changes):
    values = {
        "image_ids": ["a.png"],
        "paths": ["a.png"],
        "labels": np.array([1], np.int32),
        "boxes": [np.array(boxes, np.float32).reshape(-1, 4)],
        "class_names": ["0", "1", "2"],
        "sizes": np.array([[80, 80]]),
    }
    return Examples(**{**values, **changes})


@pytest.mark.parametrize(
    ("input_size", "resize_size", "box"),
    [(224, 256, [-16, -16, 112, 112]), (320, 256, [0, 0, 160, 160])],
)
def test_a_crop_is_not_larger_than_what_it_is_cut_from(
    input_size, resize_size, box
):
    scoring = Scoring(examples(), ADL, input_size, resize_size)
    scoring.add(0, np.ones((input_size, input_size)))
    _, (record,) = scoring.result()
    assert record["ground_truth"] == [box]
    assert record["box"] == [0, 0, input_size, input_size]


def test_masks_are_warped_and_cropped_as_images_are(tmp_path):
    mask = np.zeros((80, 160), np.uint8)
    mask[20:60, 40:120] = 1  # Whatever is above 0.
    extra = np.zeros((80, 160), np.uint8)
    extra[0:10, 80:90] = 255
    left_out = np.zeros((80, 160), np.uint8)
    left_out[60:] = 255
    names = ("mask", "extra", "ignored")
    for name, image in zip(names, (mask, extra, left_out)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    paths = [str(tmp_path / f"{name}.png") for name in names]
    with_masks = examples((), masks=[tuple(paths[:2])], ignored=[paths[2]])
    scoring = Scoring(with_masks, ADL, 56, 64)
    # 64 x 64 pixels, of which 4 on each side are cut off.
    heatmap = np.zeros((64, 64))
    heatmap[16:48, 16:48] = heatmap[:8, 32:36] = 1
    heatmap[48:] = 0.9  # Would be wrong if it counted.
    scoring.add(0, heatmap[4:60, 4:60])
    metrics, _ = scoring.result()
    assert metrics["pxap"] == pytest.approx(100)


def test_nothing_to_compare_with():
    for boxes, masks in (((), None), ((), [()])):
        with pytest.raises(DataError, match="neither boxes|no mask"):
            Scoring(examples(boxes, masks=masks), ADL, 56, 64)
    nothing = examples(image_ids=[], paths=[], boxes=[])
    with pytest.raises(DataError, match="no images"):
        Scoring(nothing, ADL, 56, 64)


@pytest.mark.parametrize("name", ["../a.png", "b/../../a.png", "/tmp/a.png"])
def test_heatmaps_stay_within_their_folder(tmp_path, name):
    folder = tmp_path / "maps"
    with pytest.raises(DataError, match=f"{name} would be written outside"):
        Scoring(examples(image_ids=[name]), ADL, 56, 64, str(folder))
    # Only what is written has to.
    Scoring(examples(image_ids=[name]), ADL, 56, 64)
    inside = examples(image_ids=["b/..a.png"])
    scoring = Scoring(inside, ADL, 56, 64, str(folder))
    scoring.add(0, np.ones((56, 56)))
    assert (folder / "b" / "..a.png.npy").is_file()


def test_answers_of_probabilities():
    answers = Predictions.of(
        np.array([[0.1, 0.5, 0.4, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.1, 0.1]])
    )
    # Of equal ones the first.
    assert answers.class_ids.tolist() == [1, 0]
    assert answers.probabilities.tolist() == [0.5, 0.2]
    assert answers.top5.tolist() == [[1, 2, 0, 3, 4], [0, 1, 2, 3, 4]]
    assert Predictions.of(np.ones((3, 2)) / 2).top5.shape == (3, 2)


def test_little_of_a_image_stays_in_memory():
    count, random = 300, np.random.default_rng(0)
    many = Examples(
        image_ids=[str(number) for number in range(count)],
        paths=[str(number) for number in range(count)],
        labels=np.zeros(count, np.int32),
        boxes=[np.float32([[8, 8, 40, 40]])] * count,
        class_names=["finch"],
        sizes=np.full((count, 2), 64),
    )
    protocol = PROTOCOLS["wsoleval_cvpr20"]
    scoring = Scoring(many, protocol, 64, 64)
    heatmaps = [
        to_heatmap(random.random((7, 7)), 64, "bicubic") for _ in range(9)
    ]
    scoring.add(0, heatmaps[0])  # What is made once.
    tracemalloc.start()
    for place in range(1, count):
        scoring.add(place, heatmaps[place % 9])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rows = sum(map(len, scoring.arrays()["boxes"]))
    # Boxes alone would be ten bytes a row; the files have buffers.
    assert rows > 20 * count
    assert kept < 5 * rows
