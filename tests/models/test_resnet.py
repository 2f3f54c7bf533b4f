"""`resnet50` and `resnet50_se`: sizes, strides, and what Keras has of them."""

import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.applications import resnet as keras_resnet

from adl_tf.errors import DataError
from adl_tf.heatmaps.class_maps import class_maps
from adl_tf.methods.build import assemble, build_model
from adl_tf.models.classifier import build_classifier
from tests.models.networks import (
    noise_images,
    weights_of,
    write_applications_file,
)

SMALL = (64, 64, 3)


def trainable(model):
    return sum(np.prod(weight.shape) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    ("backbone", "variant", "parameters", "parameters_200"),
    [
        ("resnet50", "keras", 25_583_592, 23_944_392),
        ("resnet50", "pytorch", 25_557_032, 23_917_832),
        ("resnet50_se", "tensorpack", 28_088_024, 26_448_824),
    ],
)
def test_published_sizes(backbone, variant, parameters, parameters_200):
    model, _, _ = build_classifier(backbone, 1000, None, variant=variant)
    assert trainable(model) == parameters
    features = model.get_layer("gap").input
    assert features.shape == (None, 14, 14, 2048)
    # Only the classifier depends on the number of classes.
    logits = keras.layers.Dense(200)(model.get_layer("gap").output)
    model_200 = keras.Model(model.input, logits)
    assert trainable(model_200) == parameters_200


@pytest.mark.parametrize("backbone", ["resnet50", "resnet50_se"])
@pytest.mark.parametrize(
    ("height", "width", "last_stride"),
    [(32, 96, 1), (160, 64, 1), (32, 96, 2), (224, 224, 2)],
)
def test_map_sizes(backbone, height, width, last_stride):
    model, _, _ = build_classifier(
        backbone, 5, None, (height, width, 3), last_stride=last_stride
    )
    ratio = 16 * last_stride
    assert model.get_layer("gap").input.shape == (
        None,
        height // ratio,
        width // ratio,
        2048,
    )


@pytest.mark.parametrize("backbone", ["resnet50", "resnet50_se"])
@pytest.mark.parametrize("map_stride", [8, 16, 32])
def test_map_stride(backbone, map_stride):
    model, _, _ = build_classifier(backbone, 5, None, map_stride=map_stride)
    side = 224 // map_stride
    assert model.get_layer("gap").input.shape == (None, side, side, 2048)


@pytest.mark.parametrize("backbone", ["resnet50", "resnet50_se"])
def test_layers_have_the_names_of_keras(backbone):
    stock = keras.applications.ResNet50(
        input_shape=SMALL, include_top=False, weights=None
    )
    model, built, _ = build_classifier(backbone, 5, None, SMALL)
    ours = {layer.name: layer for layer in model.layers}
    for layer in stock.layers:
        if layer.weights:
            shapes = [w.shape for w in layer.weights if w.ndim != 1]
            assert shapes == [
                w.shape for w in ours[layer.name].weights if w.ndim != 1
            ]
    assert {f"conv{s}_block1_out" for s in (2, 3, 4, 5)} < ours.keys()
    assert built.adl_positions == (
        "conv4_block1_out",
        "conv5_block1_out",
        "conv5_block3_out",
    )


def test_last_stride_and_momentum_alone_differ_from_keras():
    model, _, _ = build_classifier("resnet50", 5, None, SMALL)
    stock = keras.applications.ResNet50(
        input_shape=SMALL, include_top=False, weights=None
    )
    changed = set()
    for layer in stock.layers[1:]:
        config, ours = layer.get_config(), model.get_layer(layer.name)
        for name, value in ours.get_config().items():
            if config[name] != value and name not in ("name", "momentum"):
                changed.add((layer.name, name, value))
    assert changed == {
        ("conv5_block1_0_conv", "strides", (1, 1)),
        ("conv5_block1_1_conv", "strides", (1, 1)),
    }


def randomize(model):
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            layer.set_weights(
                [
                    generator.uniform(low, high, shape)
                    for low, high in (
                        (0.4, 0.8),
                        (-0.3, 0.3),
                        (-0.2, 0.2),
                        (0.5, 1.5),
                    )
                ]
            )
        elif layer.weights:
            layer.set_weights(
                [
                    w if w.ndim > 1 else generator.uniform(-0.3, 0.3, w.shape)
                    for w in layer.get_weights()
                ]
            )


def test_imagenet_weights_of_keras(tmp_path, monkeypatch):
    """Preprocessing, weights and classifier are those of Keras."""
    stock = keras.applications.ResNet50(
        input_shape=SMALL, weights=None, classes=7, classifier_activation=None
    )
    randomize(stock)
    path = tmp_path / "resnet50.h5"
    write_applications_file(path, weights_of(stock))
    asked = []

    def get_file(*arguments, **keywords):
        asked.append((arguments, keywords))
        return str(path)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    model, _, new_layers = build_classifier(
        "resnet50", 7, "imagenet", SMALL, last_stride=2
    )
    assert new_layers == ()
    # Keras preprocesses in place.
    images = keras.applications.resnet.preprocess_input(noise_images(64))
    expected = np.array(stock(images, training=False))
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(
        model(noise_images(64), training=False), expected, atol=1e-5
    )
    # One file, the one that keras.applications would have asked for.
    assert len(asked) == 1
    (name, url), keywords = asked[0]
    assert url == keras_resnet.BASE_WEIGHTS_PATH + name
    assert name == "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
    assert keywords == {
        "cache_subdir": "models",
        "file_hash": keras_resnet.WEIGHTS_HASHES["resnet50"][0],
    }


def test_stem_of_tensorpack():
    """BGR, standardized, padded as TensorFlow does: all in TensorFlow."""
    model, _, _ = build_classifier("resnet50_se", 5, None, SMALL)
    randomize(model)
    images = noise_images(64)
    mean = np.array([0.406, 0.456, 0.485])
    deviation = np.array([0.225, 0.224, 0.229])
    standardized = (images[..., ::-1] / 255.0 - mean) / deviation
    kernel = model.get_layer("conv1_conv").get_weights()[0]
    expected = tf.nn.conv2d(standardized.astype("float32"), kernel, 2, "SAME")
    gamma, beta, average, variance = model.get_layer("conv1_bn").get_weights()
    expected = gamma * (expected - average) / np.sqrt(variance + 1e-5) + beta
    expected = tf.nn.max_pool2d(tf.nn.relu(expected), 3, 2, "SAME")
    stem = keras.Model(model.input, model.get_layer("pool1_pool").output)
    np.testing.assert_allclose(
        stem(images, training=False), expected, rtol=1e-4, atol=1e-4
    )


def test_layers_of_tensorpack():
    model, _, _ = build_classifier("resnet50_se", 5, None, SMALL)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.epsilon, layer.momentum) == (1e-5, 0.9)
            initial = 0.0 if layer.name.endswith("_3_bn") else 1.0
            assert set(np.array(layer.gamma)) == {initial}
    strides = {
        layer.name: layer.strides[0]
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides[0] > 1
    }
    assert strides == {
        "conv1_conv": 2,
        "conv3_block1_0_conv": 2,
        "conv3_block1_2_conv": 2,
        "conv4_block1_0_conv": 2,
        "conv4_block1_2_conv": 2,
    }
    kernel = np.array(model.get_layer("conv5_block2_2_conv").kernel)
    # He, over the outgoing connections; truncated, so a little less.
    assert np.std(kernel) == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.05)


def test_resnet50_se_has_no_download():
    with pytest.raises(DataError, match="resnet50_se.*--weights"):
        build_model("resnet50_se", input_shape=SMALL)


@pytest.mark.parametrize("backbone", ["resnet50", "resnet50_se"])
@pytest.mark.parametrize(
    ("option", "value"),
    [("last_stride", 3), ("variant", "caffe"), ("map_stride", 4)],
)
def test_impossible_option(backbone, option, value):
    with pytest.raises(ValueError, match=f"{option}.*Received: {option}="):
        build_classifier(backbone, 5, None, SMALL, **{option: value})


@pytest.mark.slow
@pytest.mark.parametrize("method", ["cam", "adl"])
@pytest.mark.parametrize("backbone", ["resnet50", "resnet50_se"])
def test_training_step_and_map(backbone, method):
    made, built, _ = assemble(backbone, method, 5, None, SMALL)
    model = made.model
    inserted = {
        layer.name: layer.gamma
        for layer in model.layers
        if layer.name.endswith("_adl")
    }
    assert inserted == (
        {f"{name}_adl": 0.9 for name in built.adl_positions}
        if method == "adl"
        else {}
    )
    before = [np.array(weight) for weight in model.trainable_weights]
    model.compile(
        keras.optimizers.SGD(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,  # one step is not worth a graph
    )
    loss = model.train_on_batch(noise_images(64), np.array([0, 3]))
    assert np.isfinite(loss)
    moved = [
        np.abs(np.array(weight) - old).max() > 0
        for weight, old in zip(model.trainable_weights, before)
    ]
    # The classifier and the gammas that start at 0 move for certain; kernels
    # behind such a gamma cannot in the first step.
    assert moved[-1] and sum(moved) > 20
    maps = np.array(class_maps(model, noise_images(64)))
    assert maps.shape == (2, 4, 4, 5)
    bias = model.get_layer("logits").get_weights()[1]
    np.testing.assert_allclose(
        maps.mean(axis=(1, 2)) + bias,
        model(noise_images(64), training=False),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet50", "resnet50_se"])
def test_building_is_quick(backbone):
    # Keras and TensorFlow prepare themselves at the first layers.
    build_model("small_cnn", "cam", 5, None, SMALL)
    before = time.process_time()
    build_model(backbone, "cam", 1000, None)
    assert time.process_time() - before < 5.0
