import pytest

from adl_tf.datasets.load import load_examples
from adl_tf.errors import DataError
from adl_tf.localization.boxes import box_iou
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.training.evaluation import evaluate
from adl_tf.training.trained import load_trained


@pytest.fixture(scope="module")
def examples(data_dir):
    return load_examples("metadata", str(data_dir), "test")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_picture_is_scored(trained, examples, name):
    protocol = PROTOCOLS[name]
    metrics, records = evaluate(
        load_trained(trained), examples, protocol, trained
    )
    assert metrics["num_images"] == len(records) == 9
    assert [r["image_id"] for r in records] == examples.image_ids
    assert metrics["top1_clas"] > 75
    best = metrics["best_tau"]
    assert best["oracle"] is True
    # The figures again, from the records alone.
    hits = [r["iou"] >= 0.5 for r in records]
    right = [r["label"] == r["predicted"] for r in records]
    both = [h and r for h, r in zip(hits, right)]
    assert best["gt_known_loc"] == pytest.approx(100 * sum(hits) / 9)
    assert best["top1_loc"] == pytest.approx(100 * sum(both) / 9)
    assert metrics["top1_clas"] == pytest.approx(100 * sum(right) / 9)
    for record in records:
        overlap = box_iou([record["box"]], record["ground_truth"]).max()
        assert record["iou"] == pytest.approx(overlap, abs=1e-6)
        assert record["tau"] == best["tau"]
    curve = metrics["curve"]
    assert max(curve["gt_known_loc"]) == best["gt_known_loc"]
    assert len(curve["tau"]) == protocol.thresholds[2]


def test_picture_without_a_box(trained, examples):
    boxes = [*examples.boxes]
    boxes[4] = boxes[4][:0]
    changed = type(examples)(**{**vars(examples), "boxes": boxes})
    with pytest.raises(DataError, match="test/4.png has no box"):
        evaluate(
            load_trained(trained), changed, PROTOCOLS["adl_cvpr19"], trained
        )


def test_class_that_the_model_does_not_know(trained, examples):
    labels = examples.labels.copy()
    labels[3] = 7
    changed = type(examples)(**{**vars(examples), "labels": labels})
    with pytest.raises(DataError, match="test/3.png is of class 7"):
        evaluate(
            load_trained(trained), changed, PROTOCOLS["adl_cvpr19"], trained
        )
