"""A network whose maps are the classes: trained, scored and exported."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from adl_tf.datasets.load import load_examples
from adl_tf.evaluation.network import evaluate, keras_network
from adl_tf.evaluation.scoring import Scoring
from adl_tf.exported.writing import export
from adl_tf.heatmaps.class_maps import class_maps
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.models.small_cnn import small_cnn
from adl_tf.registry import BACKBONES
from adl_tf.training.loop import train
from adl_tf.training.trainer import Trainer
from adl_tf.workdir.trained import class_names, load_trained


def with_class_maps(input_shape):
    return dataclasses.replace(
        small_cnn(input_shape), head="class_maps", new_layers=("class_maps",)
    )


@pytest.fixture
def small_cnn_with_class_maps(monkeypatch):
    monkeypatch.setitem(
        BACKBONES.references, "small_cnn", f"{__name__}:with_class_maps"
    )


@pytest.mark.slow
def test_the_whole_way(settings, data_dir, tmp_path, small_cnn_with_class_maps):
    run = train(settings(epochs=12))
    model = load_trained(run)
    examples = load_examples("metadata", str(data_dir), "test")
    scoring = Scoring(
        examples, PROTOCOLS["adl_cvpr19"], run.input_size, run.resize_size
    )
    metrics, records = scoring.result(
        evaluate(keras_network(model), scoring, run.batch_size)
    )
    assert metrics["num_images"] == len(list(records)) == 9
    assert metrics["top1_clas"] > 75
    folder = str(tmp_path / "saved")
    export(model, folder, class_names(run), run, 0.5)
    localizer = tf.saved_model.load(folder)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    answer = localizer.signatures["localize"](
        image_bytes=tf.constant(
            [cv2.imencode(".png", image[..., ::-1])[1].tobytes()]
        ),
        class_id=tf.constant([1]),
    )
    images = image[None].astype("float32")
    np.testing.assert_allclose(
        answer["probabilities"],
        tf.nn.softmax(model(images, training=False)),
        atol=1e-5,
    )
    class_map = np.array(class_maps(model, images))[0, :, :, 1]
    class_map = cv2.resize(class_map, (32, 32))
    expected = (class_map - class_map.min()) / np.ptp(class_map)
    np.testing.assert_allclose(answer["heatmap"][0], expected, atol=1e-4)


@pytest.mark.slow
def test_the_head_learns_at_its_own_rate(settings):
    trainer = Trainer(
        settings(
            backbone="inception_v3",
            num_classes=2,
            head_learning_rate_ratio=10.0,
        ),
        1,
        tf.distribute.get_strategy(),
    )
    rates = {
        variable.path.split("/")[0]: rate
        for variable, rate in zip(
            trainer.model.trainable_variables, trainer.rates
        )
    }
    fast = {name for name, rate in rates.items() if rate == 10.0}
    assert fast == {"SPG_A3_1b", "SPG_A3_2b", "class_maps"}
