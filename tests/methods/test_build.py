"""Backbones with methods: a training step and class maps.

Every method on every backbone where its code has something of its own to do:
`cam`, `has` and `cutmix` take any backbone alike, and ResNet-50 is its SE
variant without a layer.
"""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.heatmaps.class_maps import class_maps
from adl_tf.methods import build
from adl_tf.methods.build import assemble
from adl_tf.models.classifier import build_classifier
from adl_tf.registry import BACKBONES, METHODS

SIZE = 64
CLASSES = 3
FEWER = {
    "resnet50": ("acol", "spg", "adl"),
    "keras:ResNet50V2": ("cam", "has", "acol", "adl", "cutmix"),
    "keras:DenseNet121": ("acol", "adl"),
    "keras:EfficientNetV2B0": ("acol", "adl"),
}
CASES = [
    (name, method)
    for name in dict.fromkeys([*BACKBONES, *FEWER])
    for method in FEWER.get(name, METHODS)
]


@pytest.fixture(scope="module")
def plain(request):
    """Name of a backbone and its classifier, which methods leave alone."""
    keras.utils.set_random_seed(0)
    shape = (SIZE, SIZE, 3)
    return request.param, build_classifier(request.param, CLASSES, None, shape)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)
@pytest.mark.slow
@pytest.mark.parametrize(("plain", "method"), CASES, indirect=["plain"])
def test_training_step_and_class_maps(plain, method, monkeypatch):
    import tensorflow as tf

    name, classifier = plain
    monkeypatch.setattr(build, "build_classifier", lambda *_, **__: classifier)
    arguments = {}
    if method == "adl":
        arguments["drop_rate"] = 1.0
        if name.startswith("keras:"):
            arguments["positions"] = r".*_(relu|out|activation)"
    keras.utils.set_random_seed(0)
    made, backbone, _ = assemble(
        name, method, CLASSES, None, (SIZE, SIZE, 3), **arguments
    )
    images = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3))
    model, training_model = made.model, made.training_model
    variables = [each.value for each in training_model.trainable_variables]
    with tf.GradientTape() as tape:
        losses, logits = made.losses(
            training_model, images, np.array([0, 2], "int32")
        )
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, variables)
    assert logits.shape == (2, CLASSES) and np.isfinite(loss)
    assert losses.shape == (2,)
    for variable, gradient in zip(variables, gradients):
        assert gradient is not None, variable.name
        assert np.isfinite(gradient).all(), variable.name
    first = next(each for each in gradients if len(each.shape) == 4)
    assert np.any(first)
    maps = ops.convert_to_numpy(class_maps(model, images))
    height, width = backbone.model.output_shape[1:3]
    if (name, method) == ("vgg_gap", "acol"):
        height, width = SIZE // 8, SIZE // 8  # ACoL's own pooling
    assert maps.shape == (2, height, width, CLASSES) and height > 1
    assert np.isfinite(maps).all()
