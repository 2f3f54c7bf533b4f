"""Class activation maps, and ADL models at inference."""

import collections

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.heatmaps.class_maps import (
    class_activation_maps,
    class_maps,
    feature_model,
)
from adl_tf.methods.build import build_model

CLASSES = 5
needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)


@pytest.fixture(scope="module", params=["small_cnn", "mobilenet_v1"])
def models(request):
    """The plain model, and ADL's with the same random weights."""
    plain, adl = (
        build_model(request.param, method, CLASSES, None, (32, 32, 3))
        for method in ("cam", "adl")
    )
    generator = np.random.default_rng(0)
    for layer in plain.layers:
        # Those of normalization and the biases are not 0 and 1 either.
        layer.set_weights(
            [
                weight + generator.uniform(0.0, 0.3, weight.shape)
                for weight in layer.get_weights()
            ]
        )
        adl.get_layer(layer.name).set_weights(layer.get_weights())
    return plain, adl


def noise_images():
    return np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 3))


def test_mean_and_bias_are_the_logits(models):
    model, _ = models
    maps = ops.convert_to_numpy(class_maps(model, noise_images()))
    assert maps.shape[-1] == CLASSES and maps.shape[1] > 1
    np.testing.assert_allclose(
        maps.mean(axis=(1, 2)) + model.get_layer("logits").get_weights()[1],
        model(noise_images(), training=False),
        rtol=1e-4,
    )


@pytest.mark.parametrize("class_ids", [None, [2, 0]])
def test_maps_match_a_loop(class_ids):
    generator = np.random.default_rng(0)
    features = generator.normal(size=(2, 3, 4, 6)).astype("float32")
    kernel = generator.normal(size=(6, CLASSES)).astype("float32")
    expected = np.zeros((2, 3, 4, CLASSES))
    for image, row, column, channel, label in np.ndindex(2, 3, 4, 6, CLASSES):
        expected[image, row, column, label] += (
            features[image, row, column, channel] * kernel[channel, label]
        )
    if class_ids is not None:
        expected = np.stack(
            [
                expected[image, :, :, label]
                for image, label in enumerate(class_ids)
            ]
        )
    actual = class_activation_maps(features, kernel, class_ids)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_maps_of_half_precision_features_are_float32():
    features = np.full((1, 1, 1, 8), 30_000.0, "float16")
    maps = class_activation_maps(features, np.ones((8, 1), "float16"))
    assert keras.backend.standardize_dtype(maps.dtype) == "float32"
    assert float(maps[0, 0, 0, 0]) == 240_000.0


@needs_tensorflow
def test_equals_gradient_cam(models):
    """Grad-CAM without ReLU, times the number of positions."""
    import tensorflow as tf

    model, _ = models
    class_ids = [4, 1]
    _, features = feature_model(model)(noise_images(), training=False)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = model.get_layer("logits")(model.get_layer("gap")(features))
        of_class = tf.gather(logits, class_ids, axis=1, batch_dims=1)
    gradient = tape.gradient(of_class, features).numpy()
    _, height, width, _ = features.shape
    channel_weights = gradient.mean(axis=(1, 2), keepdims=True)
    by_gradient = (channel_weights * features.numpy()).sum(axis=3)
    kernel = model.get_layer("logits").kernel
    np.testing.assert_allclose(
        class_activation_maps(features, kernel, class_ids),
        by_gradient * height * width,
        rtol=1e-5,
        atol=1e-5,
    )


def test_adl_changes_nothing_at_inference(models):
    plain, adl = models
    assert len(adl.layers) > len(plain.layers)
    np.testing.assert_allclose(
        class_maps(adl, noise_images()),
        class_maps(plain, noise_images()),
        rtol=1e-6,
        atol=1e-6,
    )


@needs_tensorflow
def test_graph_of_inference_is_the_plain_models(models):
    import tensorflow as tf

    def operations(model, training):
        graph = (
            tf.function(lambda images: model(images, training=training))
            .get_concrete_function(tf.TensorSpec((1, 32, 32, 3)))
            .graph.as_graph_def()
        )
        # In branches, too.
        branches = (each.node_def for each in graph.library.function)
        return collections.Counter(
            node.op for nodes in (graph.node, *branches) for node in nodes
        )

    plain, adl = models
    inference = operations(adl, training=False)
    assert inference == operations(plain, training=False)
    traces = {"Sigmoid", "StatelessRandomUniformV2"}
    assert not traces & inference.keys()
    # Those are what ADL is made of.
    assert traces <= operations(adl, training=True).keys()


def test_other_models_are_sent_to_grad_cam():
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(pooled))
    with pytest.raises(ValueError, match="adl_tf.grad_cam"):
        class_maps(model, np.zeros((1, 8, 8, 3)))
