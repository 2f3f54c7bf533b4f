"""Classifiers of keras.applications as backbones."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.errors import DataError
from adl_tf.methods.adl import insert_adl
from adl_tf.methods.build import build_model
from adl_tf.models.classifier import build_classifier

SIZE = 64
SHAPE = (SIZE, SIZE, 3)
# Name and module.
NETWORKS = {
    "DenseNet121": "densenet",
    "EfficientNetV2B0": "efficientnet_v2",
    "ResNet50V2": "resnet_v2",
}


def build(name, num_classes=7, weights=None, **arguments):
    return build_classifier(
        f"keras:{name}", num_classes, weights, SHAPE, **arguments
    )


def noise_images():
    values = np.random.default_rng(1).uniform(0, 255, (2, *SHAPE))
    return values.astype("float32")


def in_numpy(model, inputs):
    return ops.convert_to_numpy(model(inputs, training=False))


def randomised(model):
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [
                    generator.uniform(0.5, 1.0, weight.shape)
                    for weight in layer.get_weights()
                ]
            )
    return model


@pytest.fixture(scope="module", params=NETWORKS)
def network(request, tmp_path_factory):
    """A stock network with random weights, its file, and ours of that file."""
    name = request.param
    stock = randomised(
        getattr(keras.applications, name)(
            weights=None,
            input_shape=SHAPE,
            classes=7,
            classifier_activation=None,
        )
    )
    path = str(tmp_path_factory.mktemp("weights") / f"{name}.h5")
    stock.save(path)
    return name, stock, path, build(name, weights=path)


@pytest.mark.slow
def test_equals_keras(network):
    name, stock, _, (model, backbone, new_layers) = network
    assert new_layers == ()
    module = getattr(keras.applications, NETWORKS[name])
    # Keras preprocesses in place.
    expected = in_numpy(stock, module.preprocess_input(noise_images()))
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(
        in_numpy(model, noise_images()), expected, rtol=1e-5, atol=1e-5
    )
    assert backbone.model.output_shape[1:3] == (2, 2)


@pytest.mark.slow
def test_last_stride_1(network):
    """Twice the map; the same weights; the same network before it."""
    name, _, path, (stock_stride, _, _) = network
    model, backbone, new_layers = build(name, weights=path, last_stride=1)
    assert new_layers == ()
    assert backbone.model.output_shape[1:3] == (4, 4)
    for ours, theirs in zip(model.layers, stock_stride.layers, strict=True):
        assert ours.name == theirs.name
        for weight, expected in zip(
            ours.get_weights(), theirs.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(weight, expected)
    # Of layers that read the same features, every second place is the stock's.
    first = next(
        layer.name
        for layer in model.layers
        if getattr(layer, "strides", (1, 1))
        != getattr(stock_stride.get_layer(layer.name), "strides", (1, 1))
    )
    dense, some = (
        in_numpy(
            keras.Model(each.input, each.get_layer(first).output),
            noise_images(),
        )
        for each in (model, stock_stride)
    )
    assert dense.shape[1] == 2 * some.shape[1]
    start = 1 if name == "EfficientNetV2B0" else 0
    np.testing.assert_allclose(
        dense[:, start::2, start::2], some, rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_adl_changes_nothing_at_inference(network):
    _, stock, _, _ = network
    convolutions = [
        layer.name
        for layer in stock.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    edited = insert_adl(stock, convolutions[-2:])
    assert len(edited.layers) == len(stock.layers) + 2
    np.testing.assert_allclose(
        in_numpy(edited, noise_images()),
        in_numpy(stock, noise_images()),
        rtol=1e-6,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("name", "mode"),
    [("VGG16", "caffe"), ("MobileNetV2", "tf"), ("DenseNet121", "torch")],
)
def test_preprocessing_is_the_modules(name, mode):
    model, _, _ = build(name)
    preprocessed = keras.Model(
        model.input, model.get_layer("preprocess").output
    )
    expected = keras.applications.imagenet_utils.preprocess_input(
        noise_images(), mode=mode
    )
    np.testing.assert_allclose(
        in_numpy(preprocessed, noise_images()), expected, rtol=1e-4, atol=1e-4
    )


def test_names_do_not_depend_on_what_was_built_before():
    keras.layers.Conv2D(1, 1)
    first, second = (build("Xception")[0] for _ in range(2))
    names = [layer.name for layer in first.layers]
    assert names == [layer.name for layer in second.layers]
    assert {"conv2d", "conv2d_1", "add"} <= set(names)


@pytest.mark.parametrize(
    ("name", "side"),
    [("VGG16", 4), ("MobileNet", 4), ("ResNet50", 4), ("Xception", 4)],
)
def test_last_stride_of_other_networks(name, side):
    _, backbone, _ = build(name, last_stride=1)
    assert backbone.model.output_shape[1:3] == (side, side)


def test_mobilenet_with_stride_1_is_ours():
    _, keras_backbone, _ = build("MobileNet", last_stride=1)
    _, ours, _ = build_classifier("mobilenet_v1", 7, None, SHAPE)
    for layer in ours.model.layers:
        if layer.weights:
            keras_backbone.model.get_layer(layer.name).set_weights(
                layer.get_weights()
            )
    np.testing.assert_allclose(
        in_numpy(keras_backbone.model, noise_images()),
        in_numpy(ours.model, noise_images()),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.slow
def test_efficientnet_divides_by_the_variance(tmp_path):
    """As Keras builds the network that its ImageNet weights belong to."""
    mean, deviation = (
        np.array([0.485, 0.456, 0.406]),
        np.array([0.229, 0.224, 0.225]),
    )
    stock = keras.applications.EfficientNetB0(
        weights=None, input_shape=SHAPE, classes=7
    )
    for layer in stock.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.set_weights([mean, deviation, np.array(0)])
    stock.save(tmp_path / "efficientnet.h5")
    model, _, new_layers = build(
        "EfficientNetB0", weights=tmp_path / "efficientnet.h5"
    )
    assert new_layers == ()
    normalised = keras.Model(
        model.input, model.get_layer("normalization_again").output
    )
    np.testing.assert_allclose(
        in_numpy(normalised, noise_images()),
        (noise_images() / 255 - mean) / deviation,
        rtol=1e-3,
        atol=1e-4,
    )


def test_classifier_of_another_form_is_left_out():
    """VGG16 flattens its map, MobileNetV3 has a layer in between."""
    for name in ("VGG16", "MobileNetV3Small"):
        assert build(name)[1].imagenet_classifier is None
    assert build("MobileNetV2")[1].imagenet_classifier == "predictions"


def test_adl_needs_positions():
    with pytest.raises(ValueError, match="no positions of its own"):
        build_model("keras:MobileNetV2", "adl", 7, None, SHAPE)
    model = build_model(
        "keras:MobileNetV2", "adl", 7, None, SHAPE, positions=["out_relu"]
    )
    assert model.get_layer("out_relu_adl").gamma == 0.8


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("MobileNetv2", {}, "Did you mean MobileNetV2"),
        ("Nonsense!", {}, "It has: ConvNeXtBase"),
        ("ConvNeXtTiny", {"last_stride": 1}, "'convnext_tiny' has no layer"),
        ("MobileNetV2", {"last_stride": 3}, "1 or 2"),
        ("MobileNetV2", {"width": 1}, "It has: last_stride"),
    ],
)
def test_what_is_not_possible_is_said(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(name, **arguments)


def test_file_of_another_network(tmp_path):
    path = tmp_path / "other.h5"
    build("MobileNet")[0].save(path)
    with pytest.raises(DataError, match="other.h5 has no weights for layer"):
        build("MobileNetV2", weights=path)


@pytest.mark.real_data
def test_real_mobilenet_weights(test_weights):
    path = test_weights / "mobilenet_1_0_224_tf.h5"
    model, _, new_layers = build("MobileNet", 1000, path)
    assert new_layers == ()
    stock = keras.applications.MobileNet(
        input_shape=SHAPE, weights=str(path), classifier_activation=None
    )
    scaled = keras.applications.mobilenet.preprocess_input(noise_images())
    np.testing.assert_allclose(
        in_numpy(model, noise_images()), in_numpy(stock, scaled), atol=1e-3
    )


@pytest.mark.real_data
def test_real_vgg_weights(test_weights):
    name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    model, backbone, new_layers = build("VGG16", 7, test_weights / name)
    assert new_layers == ("logits",)
    stock = keras.applications.VGG16(
        include_top=False, weights=str(test_weights / name), input_shape=SHAPE
    )
    centred = keras.applications.vgg16.preprocess_input(noise_images())
    np.testing.assert_allclose(
        in_numpy(backbone.model, noise_images()),
        in_numpy(stock, centred),
        rtol=1e-3,
        atol=1e-3,
    )
