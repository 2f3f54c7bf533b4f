"""Every backbone with every method: a training step and class maps."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.methods.build import METHODS, assemble
from adl_tf.methods.cam import class_maps
from adl_tf.models.classifier import BACKBONES

SIZE = 64
CLASSES = 3
OF_KERAS = ("DenseNet121", "EfficientNetV2B0", "ResNet50V2")


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)
@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "name", [*BACKBONES, *(f"keras:{name}" for name in OF_KERAS)]
)
def test_training_step_and_class_maps(name, method):
    import tensorflow as tf

    if method == "spg" and name.startswith("keras:"):
        pytest.skip("no places for its branches are known")
    arguments = {}
    if method == "adl":
        arguments["drop_rate"] = 1.0
        if name.startswith("keras:"):
            arguments["positions"] = r".*_(relu|out|activation)"
    keras.utils.set_random_seed(0)
    made, backbone, _ = assemble(
        name, method, CLASSES, None, (SIZE, SIZE, 3), **arguments
    )
    pictures = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3))
    model, training_model = made.model, made.training_model
    variables = [each.value for each in training_model.trainable_variables]
    with tf.GradientTape() as tape:
        losses, logits = made.losses(
            training_model, pictures, np.array([0, 2], "int32")
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
    maps = ops.convert_to_numpy(class_maps(model, pictures))
    height, width = backbone.model.output_shape[1:3]
    if (name, method) == ("vgg_gap", "acol"):
        height, width = SIZE // 8, SIZE // 8  # ACoL's own pooling
    assert maps.shape == (2, height, width, CLASSES) and height > 1
    assert np.isfinite(maps).all()
