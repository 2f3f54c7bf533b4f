"""Boxes of every threshold, as evaluate leaves them for the report."""

import json

import numpy as np
import pytest

from adl_tf.errors import DataError
from adl_tf.evaluation.predictions import Predictions
from adl_tf.localization.boxes import box_iou
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.localization.scores import pack_boxes
from adl_tf.workdir.evaluations import read_evaluations, write_evaluation
from tests.workdir.made import make_scoring, write, write_as_0_1_0


def unpack(rows, index, count):
    """Boxes at every threshold from the rows, one after the other."""
    boxes = np.full((count, 4), -1)
    for place, first, *box in rows:
        if place == index:
            boxes[first:] = box
    return boxes


def test_boxes_are_kept_where_they_change():
    boxes = np.array([[0, 0, 9, 9]] * 3 + [[1, 2, 5, 6]] * 2 + [[0, 0, 9, 9]])
    assert pack_boxes(boxes).tolist() == [
        [0, 0, 0, 9, 9],
        [3, 1, 2, 5, 6],
        [5, 0, 0, 9, 9],
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_accuracies_follow_from_what_is_kept(protocol, tmp_path):
    made = make_scoring(protocol)
    answers = Predictions(class_ids=np.array([0, 1, 1, 1, 0]))
    metrics, _ = made.result(answers)
    metrics["protocol"] = protocol
    write_evaluation(str(tmp_path), metrics, made.arrays(answers))
    ((name, found),) = read_evaluations(str(tmp_path)).items()
    read, arrays = found.metrics, found.arrays
    assert name == f"{protocol}-test"
    assert read["curve"] == metrics["curve"]
    count = len(arrays["thresholds"])
    hits = np.zeros((5, count), bool)
    ends = np.cumsum(arrays["ground_truth_counts"])
    for index in (0, 1, 2, 4):
        boxes = unpack(arrays["boxes"], index, count)
        truths = arrays["ground_truth"][ends[index] - 1 : ends[index]]
        hits[index] = box_iou(boxes, truths)[:, 0] >= 0.5
    assert 0 < hits.mean() < 1
    assert not (arrays["boxes"][:, 0] == 3).any()
    right = arrays["predicted"] == arrays["labels"]
    curve = read["curve"]
    assert (100 * hits.sum(axis=0) / 5).tolist() == curve["gt_known_loc"]
    both = hits & right[:, None]
    assert (100 * both.sum(axis=0) / 5).tolist() == curve["top1_loc"]
    assert "probabilities" not in arrays
    assert found.correct_classes.tolist() == right.tolist()
    for number in (0, count // 3, count - 1):
        threshold = arrays["thresholds"][number]
        assert found.number_of(threshold) == number
        boxes = [unpack(arrays["boxes"], i, count)[number] for i in range(5)]
        boxes[3] = np.zeros(4)  # It has no heatmap.
        assert np.array_equal(found.boxes_at(threshold), boxes)
        assert np.array_equal(found.correct_boxes(threshold), hits[:, number])


def test_heatmaps_are_kept_small(tmp_path):
    made = make_scoring("adl_cvpr19")
    metrics = {**made.result()[0], "protocol": "adl_cvpr19"}
    write_evaluation(str(tmp_path), metrics, made.arrays())
    (found,) = read_evaluations(str(tmp_path)).values()
    arrays = found.arrays
    assert arrays["heatmaps"].dtype == np.uint8
    assert arrays["heatmaps"].shape == (5, 28, 28)
    assert not arrays["heatmaps"][3].any()
    assert (arrays["heatmaps"][[0, 1, 2, 4]].max(axis=(1, 2)) > 240).all()
    assert "predicted" not in arrays


def test_each_protocol_has_its_own_files(tmp_path):
    for protocol in ("adl_cvpr19", "wsoleval_cvpr20", "adl_cvpr19"):
        made = make_scoring(protocol)
        for changes in ({}, {"split": "val"}, {"heatmap": "grad_cam"}):
            metrics = {**made.result()[0], "protocol": protocol, **changes}
            write_evaluation(str(tmp_path), metrics, made.arrays())
    assert set(read_evaluations(str(tmp_path))) == {
        f"{protocol}-{rest}"
        for protocol in ("adl_cvpr19", "wsoleval_cvpr20")
        for rest in ("test", "val", "test-grad_cam")
    }
    kept = sorted(path.suffix for path in (tmp_path / "evaluations").iterdir())
    assert kept == [".h5"] * 6 + [".json"] * 6


def test_metrics_of_older_versions_are_read_alone(tmp_path):
    assert read_evaluations(str(tmp_path)) == {}
    text = '{"protocol": "adl_cvpr19", "split": "test", "num_images": 5}'
    (tmp_path / "metrics.json").write_text(text)
    ((name, found),) = read_evaluations(str(tmp_path)).items()
    assert name == "adl_cvpr19-test"
    assert found.metrics["split"] == "test"
    assert found.arrays is None


@pytest.mark.parametrize("ending", ["json", "npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 cut"])
def test_damaged_files(tmp_path, ending, content):
    path = write_as_0_1_0(tmp_path, ending)
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{ending} is damaged"):
        read_evaluations(str(tmp_path))


@pytest.mark.parametrize("place", [0, 31, 600, 5000, -1])
def test_a_flipped_bit(tmp_path, place):
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="h5 is damaged .*not as it was writt"):
        read_evaluations(str(tmp_path))


def test_names_of_any_characters(tmp_path):
    made = make_scoring("adl_cvpr19")
    names = ["a\nb.jpg", "ä\u2028.jpg", "\udcff.jpg", " .jpg", "5.jpg"]
    metrics = {**made.result()[0], "protocol": "adl_cvpr19"}
    arrays = {**made.arrays(), "image_ids": [names[:2], names[2:]]}
    write_evaluation(str(tmp_path), metrics, arrays)
    (found,) = read_evaluations(str(tmp_path)).values()
    assert found.arrays["image_ids"].tolist() == names


def test_evaluations_of_earlier_versions(tmp_path):
    path = write_as_0_1_0(tmp_path, "json")
    (found,) = read_evaluations(str(tmp_path)).values()
    assert found.metrics == json.loads(path.read_text())
    assert found.source(2) == ("/data/2.jpg", (2, 7))
    write(tmp_path)
    (now,) = read_evaluations(str(tmp_path)).values()
    for name, array in now.arrays.items():
        assert np.array_equal(found.arrays[name], array), name
    # The same evaluation again takes its place.
    kept = {path.suffix for path in path.parent.iterdir()}
    assert kept == {".h5", ".json"}


def test_arrays_and_metrics_are_of_one_evaluation(tmp_path):
    """Killed between two files: the copy is old, what is read is not."""
    made = make_scoring("adl_cvpr19")
    metrics = {**made.result()[0], "protocol": "adl_cvpr19", "step": 2}
    write_evaluation(str(tmp_path), metrics, made.arrays())
    path = tmp_path / "evaluations" / "adl_cvpr19-test.json"
    before = path.read_bytes()
    write_evaluation(str(tmp_path), {**metrics, "step": 3}, made.arrays())
    path.write_bytes(before)
    (found,) = read_evaluations(str(tmp_path)).values()
    assert found.metrics["step"] == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_images": True}, "num_images"),
        ({"num_images": 4}, "of 5 images, not of 4"),
        ({"top1_clas": "high"}, "top1_clas"),
        ({"best_tau": {"tau": 7}}, "best_tau: tau"),
        ({"fixed_tau": [0.2]}, "fixed_tau"),
        ({"curve": {"tau": [0.1]}}, "curve"),
        ({"rules": 3}, "rules"),
    ],
)
def test_metrics_that_cannot_be(tmp_path, change, reason):
    made = make_scoring("adl_cvpr19")
    metrics = {**made.result()[0], "protocol": "adl_cvpr19", **change}
    write_evaluation(str(tmp_path), metrics, made.arrays())
    with pytest.raises(DataError, match=f"is damaged .*{reason}"):
        read_evaluations(str(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.zeros(4, int)},
        {"labels": np.zeros(5)},
        {"thresholds": np.array([0.2, np.nan])},
        {"boxes": np.zeros((3, 5), int)},
        {"boxes": np.array([[9, 0, 0, 0, 1, 1]])},
        {"boxes": np.array([[0, 9999, 0, 0, 1, 1]])},
        {"ground_truth_counts": np.array([1, 1, 1, 1, 2])},
        {"sizes": np.array([0, 32])},
    ],
)
def test_arrays_that_cannot_be(tmp_path, change):
    made = make_scoring("adl_cvpr19")
    metrics = {**made.result()[0], "protocol": "adl_cvpr19"}
    write_evaluation(str(tmp_path), metrics, {**made.arrays(), **change})
    with pytest.raises(DataError, match="h5 is damaged"):
        read_evaluations(str(tmp_path))
