"""Boxes of every threshold, as evaluate leaves them for the report."""

import numpy as np
import pytest

from adl_tf.datasets.examples import Examples
from adl_tf.errors import DataError
from adl_tf.evaluation.scoring import ClassAnswers, Scoring
from adl_tf.localization.boxes import box_iou
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.localization.scores import pack_boxes
from adl_tf.workdir.evaluations import read_evaluations, write_archive


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


@pytest.fixture
def scoring():
    """Five images, the fourth without a heatmap."""
    random = np.random.default_rng(0)
    corners = random.integers(0, 30, (5, 2))
    examples = Examples(
        image_ids=[f"{number}.jpg" for number in range(5)],
        paths=[f"/data/{number}.jpg" for number in range(5)],
        labels=np.arange(5, dtype=np.int32) % 2,
        boxes=[np.array([[x, y, x + 25, y + 25]]) for x, y in corners],
        class_names=["finch", "wren"],
        sizes=np.full((5, 2), 64),
    )

    def make(protocol):
        made = Scoring(examples, PROTOCOLS[protocol], 32, 36)
        for place, (x, y) in enumerate(corners):
            if place == 3:
                made.add_missing(place)
                continue
            rows, columns = np.mgrid[:32, :32]
            distance = np.hypot(columns - x / 2 - 6, rows - y / 2 - 6)
            made.add(place, np.exp(-((distance / 6) ** 2)))
        return made

    return make


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_accuracies_follow_from_what_is_kept(scoring, protocol, tmp_path):
    made = scoring(protocol)
    answers = ClassAnswers(class_ids=np.array([0, 1, 1, 1, 0]))
    metrics, _ = made.result(answers)
    metrics["protocol"] = protocol
    write_archive(str(tmp_path), metrics, made.arrays(answers))
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


def test_heatmaps_are_kept_small(scoring, tmp_path):
    made = scoring("adl_cvpr19")
    metrics = {**made.result()[0], "protocol": "adl_cvpr19"}
    write_archive(str(tmp_path), metrics, made.arrays())
    (found,) = read_evaluations(str(tmp_path)).values()
    arrays = found.arrays
    assert arrays["heatmaps"].dtype == np.uint8
    assert arrays["heatmaps"].shape == (5, 28, 28)
    assert not arrays["heatmaps"][3].any()
    assert (arrays["heatmaps"][[0, 1, 2, 4]].max(axis=(1, 2)) > 240).all()
    assert "predicted" not in arrays


def test_each_protocol_has_its_own_files(scoring, tmp_path):
    for protocol in ("adl_cvpr19", "wsoleval_cvpr20", "adl_cvpr19"):
        made = scoring(protocol)
        for changes in ({}, {"split": "val"}, {"heatmap": "grad_cam"}):
            metrics = {**made.result()[0], "protocol": protocol, **changes}
            write_archive(str(tmp_path), metrics, made.arrays())
    assert set(read_evaluations(str(tmp_path))) == {
        f"{protocol}-{rest}"
        for protocol in ("adl_cvpr19", "wsoleval_cvpr20")
        for rest in ("test", "val", "test-grad_cam")
    }
    kept = sorted(path.suffix for path in (tmp_path / "evaluations").iterdir())
    assert kept == [".json"] * 6 + [".npz"] * 6


def test_metrics_of_older_versions_are_read_alone(tmp_path):
    assert read_evaluations(str(tmp_path)) == {}
    text = '{"protocol": "adl_cvpr19", "split": "test"}'
    (tmp_path / "metrics.json").write_text(text)
    ((name, found),) = read_evaluations(str(tmp_path)).items()
    assert name == "adl_cvpr19-test"
    assert found.metrics["split"] == "test"
    assert found.arrays is None


@pytest.mark.parametrize("ending", ["json", "npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 cut"])
def test_damaged_files(scoring, tmp_path, ending, content):
    made = scoring("adl_cvpr19")
    metrics = {**made.result()[0], "protocol": "adl_cvpr19"}
    write_archive(str(tmp_path), metrics, made.arrays())
    path = tmp_path / "evaluations" / f"adl_cvpr19-test.{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{ending} is damaged"):
        read_evaluations(str(tmp_path))
