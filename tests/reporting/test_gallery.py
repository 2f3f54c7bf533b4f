"""The data of the page: what is drawn is what was scored."""

import base64
import dataclasses

import cv2
import numpy as np
import pytest

from adl_tf.localization.boxes import box_iou
from adl_tf.reporting import gallery as gallery_module
from adl_tf.reporting.gallery import encode_image, gallery
from tests.reporting.conftest import CLASSES, COUNT, PROTOCOLS


def evaluations(data):
    return {each["name"]: each for each in data["evaluations"]}


def hits_of(entry, number, min_iou):
    """Bits of an entry at every threshold, by walking through its rows."""
    hits = np.zeros(number, bool)
    for first, *box in entry["boxes"]:
        hits[first:] = box_iou([box], entry["truth"]).max() >= min_iou
    return hits


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_boxes_give_the_accuracies_of_metrics_json(scored, protocol):
    data, unreadable = gallery(scored.runs)
    assert not unreadable
    evaluation = evaluations(data)[f"{protocol}-test"]
    number = len(evaluation["thresholds"])
    for run, shown in zip(scored.runs, evaluation["runs"]):
        metrics = run.evaluations[f"{protocol}-test"].metrics
        hits = np.array(
            [hits_of(e, number, shown["min_iou"]) for e in shown["entries"]]
        )
        right = np.array([entry["right"] for entry in shown["entries"]])
        assert 100 * right.mean() == pytest.approx(metrics["top1_clas"])
        box = 100 * hits.sum(axis=0) / COUNT
        both = 100 * hits[right].sum(axis=0) / COUNT
        assert box.max() > 0
        curve = metrics["curve"]
        assert box.tolist() == curve["gt_known_loc"] == shown["gt_known_loc"]
        assert both.tolist() == curve["top1_loc"] == shown["top1_loc"]


def test_images_are_there_once(scored):
    data, _ = gallery(scored.runs)
    assert data["runs"] == ["heads", "<b>wholes"]
    assert [image["name"] for image in data["images"]] == scored.names
    assert {data["classes"][p["class"]] for p in data["images"]} == set(CLASSES)
    for evaluation in data["evaluations"]:
        assert evaluation["images"] == list(range(COUNT))


def test_views_are_cropped_as_the_protocol_crops(scored):
    shown = evaluations(gallery(scored.runs)[0])
    crops = {name: each["runs"][0]["crop"] for name, each in shown.items()}
    assert crops == {
        "adl_cvpr19-test": pytest.approx(32 / 36),
        "wsoleval_cvpr20-test": 1.0,
    }


def test_marks_point_at_their_thresholds(scored):
    evaluation = evaluations(gallery(scored.runs)[0])["adl_cvpr19-test"]
    labels = [mark["label"] for mark in evaluation["marks"]]
    assert labels[0] == "0.2 fixed"
    assert [label.partition(" of ")[2] for label in labels[1:]] == [
        "heads",
        "<b>wholes",
    ]
    for mark in evaluation["marks"]:
        threshold = evaluation["thresholds"][mark["place"]]
        assert mark["label"].startswith(f"{threshold:g} ")


def test_large_test_sets_are_thinned_out_evenly(scored, monkeypatch):
    monkeypatch.setattr(gallery_module, "MAX_IMAGES", 4)
    data, _ = gallery(scored.runs)
    shown = evaluations(data)["adl_cvpr19-test"]
    names = [data["images"][number]["name"] for number in shown["images"]]
    assert names == [scored.names[place] for place in (0, 4, 7, 11)]
    # The accuracies are still those of the whole test set.
    metrics = scored.runs[1].evaluations["adl_cvpr19-test"].metrics
    assert shown["runs"][1]["count"] == COUNT
    assert shown["runs"][1]["gt_known_loc"] == metrics["curve"]["gt_known_loc"]
    for run in shown["runs"]:
        assert len(run["entries"]) == 4


def test_a_run_that_was_not_evaluated_so(scored):
    first, second = scored.runs
    kept = {"adl_cvpr19-test": second.evaluations["adl_cvpr19-test"]}
    partly = dataclasses.replace(second, evaluations=kept)
    data, _ = gallery([first, partly])
    # What both have comes first.
    assert [each["name"] for each in data["evaluations"]] == [
        "adl_cvpr19-test",
        "wsoleval_cvpr20-test",
    ]
    assert data["evaluations"][1]["runs"][1] is None
    neither = dataclasses.replace(second, evaluations={})
    assert gallery([neither])[0]["evaluations"] == []


def test_image_as_data(tmp_path):
    image = np.zeros((60, 30, 3), np.uint8)
    image[:30] = (0, 0, 255)
    cv2.imwrite(str(tmp_path / "p.png"), image)
    source = encode_image(str(tmp_path / "p.png"))
    head, _, text = source.partition(",")
    assert head == "data:image/jpeg;base64"
    decoded = cv2.imdecode(
        np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR
    )
    # A square, as the network's input is.
    assert decoded.shape == (60, 60, 3)
    assert decoded[10, 30, 2] > 200 and decoded[50, 30, 2] < 50
    assert encode_image(str(tmp_path / "nowhere.png")) is None
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    assert encode_image(str(tmp_path / "broken.jpg")) is None
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert encode_image(str(tmp_path / "empty.jpg")) is None
