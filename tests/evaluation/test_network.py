import dataclasses

import numpy as np
import pytest

from adl_tf import build_model, class_maps
from adl_tf.datasets.load import load_examples
from adl_tf.errors import DataError
from adl_tf.evaluation.network import evaluate, keras_network
from adl_tf.evaluation.scoring import Scoring
from adl_tf.localization.boxes import box_iou
from adl_tf.localization.heatmaps import to_heatmap
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.workdir.trained import load_trained


@pytest.fixture(scope="module")
def examples(data_dir):
    return load_examples("metadata", str(data_dir), "test")


def score(trained, examples, protocol=PROTOCOLS["adl_cvpr19"], **options):
    scoring = Scoring(
        examples, protocol, trained.input_size, trained.resize_size
    )
    network = keras_network(load_trained(trained), **options)
    metrics, records = scoring.result(
        evaluate(network, scoring, trained.batch_size)
    )
    return metrics, list(records)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_image_is_scored(trained, examples, name):
    protocol = PROTOCOLS[name]
    metrics, records = score(trained, examples, protocol)
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
    assert curve["tau"] == list(protocol.thresholds)


@pytest.mark.parametrize("heatmap", ["cam", "grad_cam"])
def test_each_image_goes_through_the_network_once(trained, examples, heatmap):
    network = keras_network(load_trained(trained), heatmap)
    seen, convolutions = [], set()

    def localize(images, class_ids):
        seen.extend(class_ids.tolist())
        called = network.localize.get_concrete_function(images, class_ids)
        graphs = [called.graph.as_graph_def()]
        graphs += called.graph.as_graph_def().library.function
        nodes = [
            node
            for graph in graphs
            for node in getattr(graph, "node", None) or graph.node_def
        ]
        convolutions.add(sum(node.op == "Conv2D" for node in nodes))
        return network.localize(images, class_ids)

    scoring = Scoring(
        examples,
        PROTOCOLS["adl_cvpr19"],
        trained.input_size,
        trained.resize_size,
    )
    counted = dataclasses.replace(network, localize=localize)
    evaluate(counted, scoring, batch_size=4)
    assert seen == examples.labels.tolist()
    # small_cnn's four, for class answer and heatmap together.
    assert convolutions == {4}


def test_image_without_a_box(trained, examples):
    boxes = [*examples.boxes]
    boxes[4] = boxes[4][:0]
    changed = dataclasses.replace(examples, boxes=boxes)
    with pytest.raises(DataError, match="test/4.png has no box"):
        score(trained, changed)


def test_class_that_the_model_does_not_know(trained, examples):
    labels = examples.labels.copy()
    labels[3] = 7
    changed = dataclasses.replace(examples, labels=labels)
    with pytest.raises(DataError, match="test/3.png is of class 7"):
        score(trained, changed)


def test_grad_cam_finds_what_class_activation_maps_find(trained, examples):
    metrics, records = score(trained, examples)
    again, same_records = score(trained, examples, heatmap="grad_cam")
    assert again["curve"] == metrics["curve"]
    assert [r["box"] for r in same_records] == [r["box"] for r in records]


def test_a_network_of_other_images_than_squares():
    model = build_model(
        "small_cnn", num_classes=2, weights=None, input_shape=(32, 48, 3)
    )
    with pytest.raises(ValueError, match="must take squares"):
        keras_network(model)
    # Its maps are for users of their own loops.
    (maps,) = class_maps(model, np.zeros((1, 32, 48, 3), np.float32))
    assert to_heatmap(maps[..., 0], (32, 48)).shape == (32, 48)
