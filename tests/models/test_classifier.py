"""The classifiers: sizes, strides, preprocessing, options."""

import keras
import numpy as np
import pytest

from adl_tf.methods.build import assemble, build_model
from adl_tf.models.classifier import build_classifier
from tests.models.networks import noise_images, softmax, with_random_weights

SMALL = (32, 32, 3)


def copy_weights(source, target):
    for layer in target.layers:
        if layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def copy_mobilenet(source, stock):
    """Gives `keras.applications.MobileNet` the weights of our classifier."""
    kernel, bias = source.get_layer("logits").get_weights()
    stock.get_layer("conv_preds").set_weights([kernel[None, None], bias])
    for layer in stock.layers:
        if layer.weights and layer.name != "conv_preds":
            layer.set_weights(source.get_layer(layer.name).get_weights())


@pytest.mark.parametrize("method", ["cam", "adl"])
@pytest.mark.parametrize(
    ("backbone", "num_classes", "parameters", "features"),
    [
        ("vgg_gap", 1000, 20_459_304, (14, 14, 1024)),
        ("vgg_gap", 200, 19_639_304, (14, 14, 1024)),
        ("mobilenet_v1", 1000, 4_231_976, (14, 14, 1024)),
        ("mobilenet_v1", 200, 3_411_976, (14, 14, 1024)),
        ("small_cnn", 1000, 230_656, (28, 28, 160)),
    ],
)
def test_sizes(backbone, num_classes, parameters, features, method):
    model = build_model(backbone, method, num_classes, None)
    sizes = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(sizes) == parameters
    assert model.output_shape == (None, num_classes)
    assert model.get_layer("gap").input.shape == (None, *features)


@pytest.mark.parametrize(
    ("width", "num_classes", "parameters"),
    # Trainable ones, as published with the network: 0.5 M, 1.3 M and 2.6 M.
    [(0.25, 1000, 470_072), (0.5, 1000, 1_331_592), (0.75, 1000, 2_585_560)],
)
def test_widths_of_mobilenet(width, num_classes, parameters):
    model, _, _ = build_classifier(
        "mobilenet_v1", num_classes, None, width=width
    )
    stock = keras.applications.MobileNet(alpha=width, weights=None)
    sizes, expected = (
        sum(np.prod(weight.shape) for weight in each.trainable_weights)
        for each in (model, stock)
    )
    assert sizes == expected
    assert round(sizes / 1e5) == round(parameters / 1e5)
    assert model.get_layer("gap").input.shape == (None, 14, 14, 1024 * width)


def test_finer_maps_of_vgg():
    """The same convolutions without pool4."""
    fine, backbone, _ = build_classifier(
        "vgg_gap", 5, None, (64, 64, 3), map_stride=8
    )
    coarse, _, _ = build_classifier("vgg_gap", 5, None, (64, 64, 3))
    assert fine.get_layer("gap").input.shape == (None, 8, 8, 1024)
    assert fine.count_params() == coarse.count_params()
    assert "block4_pool" not in {layer.name for layer in fine.layers}
    assert backbone.adl_positions == (
        "block3_pool",
        "block4_conv3",
        "block5_conv3",
    )
    copy_weights(fine, coarse)
    features = np.random.default_rng(0).uniform(size=(1, 8, 8, 512))
    answers = []
    for model in (fine, coarse):
        output = features
        for name in ("block5_conv1", "block5_conv2", "block5_conv3", "conv6"):
            output = model.get_layer(name)(output)
        answers.append(np.array(output))
    np.testing.assert_array_equal(*answers)
    # What block5 gets is what block4 gives.
    first, before = (
        fine.get_layer(f"block{n}") for n in ("5_conv1", "4_conv3")
    )
    assert first.input is before.output


def test_stock_stride_gives_7x7():
    model, _, _ = build_classifier(
        "mobilenet_v1", 5, None, (224, 224, 3), last_stride=2
    )
    assert model.get_layer("gap").input.shape == (None, 7, 7, 1024)


def test_stride_1_reads_all_positions():
    """Stride 1 has every position of stride 2, up to its one-sided padding."""
    dense, stock = (
        build_classifier("mobilenet_v1", 5, None, SMALL, last_stride=stride)[0]
        for stride in (1, 2)
    )
    assert dense.get_layer("conv_pad_12").padding == ((1, 1), (1, 1))
    convolution = dense.get_layer("conv_dw_12")
    assert (convolution.strides, convolution.padding) == ((1, 1), "valid")
    copy_weights(dense, stock)
    features = np.random.default_rng(0).normal(size=(1, 4, 4, 512))
    all_positions, some_positions = (
        np.array(
            model.get_layer("conv_dw_12")(
                model.get_layer("conv_pad_12")(features)
            )
        )
        for model in (dense, stock)
    )
    np.testing.assert_allclose(
        all_positions[:, 1::2, 1::2], some_positions, atol=1e-5
    )


@pytest.mark.parametrize("backbone", ["vgg_gap", "mobilenet_v1", "small_cnn"])
def test_adl_goes_to_the_default_positions(backbone):
    made, built, _ = assemble(backbone, "adl", 5, None, SMALL)
    inserted = {
        layer.name: layer.gamma
        for layer in made.model.layers
        if layer.name.endswith("_adl")
    }
    gamma = 0.95 if backbone == "mobilenet_v1" else 0.8
    assert inserted == {f"{name}_adl": gamma for name in built.adl_positions}


def test_mobilenet_preprocesses_and_equals_keras():
    model, _, _ = build_classifier(
        "mobilenet_v1", 5, None, SMALL, last_stride=2
    )
    with_random_weights(model)
    stock = keras.applications.MobileNet(
        input_shape=SMALL, weights=None, classes=5
    )
    copy_mobilenet(model, stock)
    # Keras preprocesses in place.
    scaled = keras.applications.mobilenet.preprocess_input(noise_images(32))
    expected = np.array(stock(scaled, training=False))
    logits = np.array(model(noise_images(32), training=False))
    assert np.ptp(expected) > 0.1
    # Random weights make large logits, whose last bits softmax enlarges.
    np.testing.assert_allclose(softmax(logits), expected, atol=1e-3)


def test_vgg_preprocesses_and_equals_keras():
    model, _, _ = build_classifier("vgg_gap", 5, None, SMALL)
    stock = keras.applications.VGG16(
        input_shape=SMALL, weights=None, include_top=False
    )
    for layer in stock.layers:
        if layer.weights:
            kernel, bias = model.get_layer(layer.name).get_weights()
            noise = np.random.default_rng(0).normal(size=bias.shape)
            model.get_layer(layer.name).set_weights([kernel, noise])
            layer.set_weights([kernel, noise])
    features, expected = (
        keras.Model(each.input, each.get_layer("block5_conv3").output)
        for each in (model, stock)
    )
    centred = keras.applications.vgg16.preprocess_input(noise_images(32))
    expected = np.array(expected(centred))
    assert expected.max() > 0.1
    np.testing.assert_allclose(
        features(noise_images(32)), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("arguments", "received", "valid"),
    [
        ({"backbone": "vgg"}, "vgg", ["vgg_gap", "mobilenet_v1", "small_cnn"]),
        ({"method": "acl"}, "acl", ["cam", "adl"]),
        ({"gamma": 0.9}, "`gamma`", ["'cam'", "It has: none"]),
        (
            {"method": "has", "patch": 32},
            "`patch`",
            ["'has'", "It has: patch_size, hide_rate, seed"],
        ),
        ({"method": "adl", "gama": 0.9}, "`gama`", ["positions, gamma"]),
        (
            {"backbone_arguments": {"last_stride": 2}},
            "last_stride",
            ["It has: none"],
        ),
        (
            {
                "backbone": "mobilenet_v1",
                "backbone_arguments": {"last_stride": 3},
            },
            "3",
            ["1 or 2"],
        ),
        (
            {
                "backbone": "mobilenet_v1",
                "backbone_arguments": {"width": 0},
            },
            "width=0",
            ["1/32 or more"],
        ),
        (
            {
                "backbone": "vgg_gap",
                "backbone_arguments": {"map_stride": 32},
            },
            "map_stride=32",
            ["8 or 16"],
        ),
    ],
)
def test_unknown_value_lists_the_valid_ones(arguments, received, valid):
    arguments = {
        "backbone": "small_cnn",
        "weights": None,
        "input_shape": SMALL,
        **arguments,
    }
    with pytest.raises(ValueError) as caught:
        build_model(**arguments)
    for text in (received, *valid):
        assert text in str(caught.value)


@pytest.mark.parametrize("method", ["cam", "adl"])
def test_unknown_argument_of_a_method(method):
    with pytest.raises(ValueError, match="gama"):
        build_model("small_cnn", method, 5, None, SMALL, gama=0.9)
