"""InceptionV3 of SPG: sizes, geometry, Keras's weights, class maps."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.errors import DataError
from adl_tf.heatmaps.class_maps import (
    class_activation_maps,
    class_maps,
    feature_model,
)
from adl_tf.models.classifier import build_classifier
from adl_tf.models.layer_names import in_order_of_making, renumbered
from tests.models.networks import weights_of, write_applications_file

SMALL = (64, 64, 3)
SIXTH = ("6b", "6c", "6d", "6e")


def build(num_classes=5, weights=None, input_shape=SMALL, **arguments):
    return build_classifier(
        "inception_v3", num_classes, weights, input_shape, **arguments
    )


def randomised(model):
    """Random normalization too, and features that neither vanish nor grow."""
    generator = np.random.default_rng(0)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            weights = [
                generator.uniform(0.5, 1.0, weight.shape) for weight in weights
            ]
        elif weights:
            fan_in = np.prod(weights[0].shape[:-1])
            weights = [
                generator.normal(0, fan_in**-0.5, weight.shape)
                for weight in weights
            ]
        layer.set_weights(weights)
    return model


def noise_images(size=64):
    values = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3))
    return values.astype("float32")


@pytest.fixture(scope="module")
def stock():
    return randomised(
        keras.applications.InceptionV3(
            weights=None, include_top=False, input_shape=(None, None, 3)
        )
    )


def write(path, stock):
    """As Keras 2 saved them: numbers from 1 on, alphabetical order."""
    new_names = {
        name: f"{kind}_{number}"
        for kind in ("conv2d", "batch_normalization")
        for number, name in enumerate(
            in_order_of_making([layer.name for layer in stock.layers], kind), 1
        )
    }
    layers = {
        new_names.get(name, name): arrays
        for name, arrays in weights_of(stock).items()
    }
    write_applications_file(path, dict(sorted(layers.items())))


@pytest.fixture(scope="module")
def loaded(stock, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.h5"
    write(path, stock)
    model, _, new_layers = build(weights=path)
    assert new_layers == ("SPG_A3_1b", "SPG_A3_2b", "class_maps")
    return model


@pytest.mark.parametrize(
    ("num_classes", "parameters"), [(1000, 26_507_976), (200, 25_687_976)]
)
def test_published_sizes(num_classes, parameters):
    model, _, _ = build(num_classes, input_shape=(224, 224, 3))
    sizes = [np.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(sizes) == parameters
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert shapes["Conv2d_1a"] == (112, 112, 32)
    assert shapes["Conv2d_2a"] == (110, 110, 32)
    assert shapes["pool_2"] == (56, 56, 64)
    assert shapes["Conv2d_4a"] == (54, 54, 192)
    assert shapes["Mixed_5b"] == (28, 28, 256)
    assert shapes["Mixed_5d"] == (28, 28, 288)
    assert shapes["Mixed_6a"] == shapes["Mixed_6e"] == (28, 28, 768)
    assert shapes["class_maps"] == (28, 28, num_classes)
    assert shapes["logits"] == (num_classes,)


@pytest.mark.parametrize("map_stride", [8, 16])
@pytest.mark.parametrize("size", [32, 96])
def test_map_sizes(map_stride, size):
    _, backbone, _ = build(
        input_shape=(size, 2 * size, 3), map_stride=map_stride
    )
    assert backbone.model.output_shape == (
        None,
        size // map_stride,
        2 * size // map_stride,
        1024,
    )


def test_dropout_is_there_and_an_option():
    def count(model):
        return sum(
            isinstance(layer, keras.layers.Dropout) for layer in model.layers
        )

    assert count(build()[0]) == 3
    assert count(build(dropout_rate=0)[0]) == 0


@pytest.mark.parametrize(
    ("first", "last", "stock_first", "stock_last"),
    [
        ("pool_4", "Mixed_5d", "max_pooling2d_1", "mixed2"),
        ("Mixed_6a", "Mixed_6e", "mixed3", "mixed7"),
    ],
)
def test_blocks_equal_keras(
    stock, loaded, first, last, stock_first, stock_last
):
    kinds = renumbered(
        [layer.name for layer in stock.layers], ["max_pooling2d"]
    )
    named = {kinds.get(layer.name, layer.name): layer for layer in stock.layers}
    ours = keras.Model(
        loaded.get_layer(first).output, loaded.get_layer(last).output
    )
    keras_blocks = keras.Model(
        named[stock_first].output, named[stock_last].output
    )
    shape = (1, *ours.input.shape[1:])
    features = np.random.default_rng(2).uniform(0, 1, shape).astype("float32")
    expected = ops.convert_to_numpy(keras_blocks(features, training=False))
    assert expected.std() > 0.01
    np.testing.assert_allclose(
        ops.convert_to_numpy(ours(features, training=False)),
        expected,
        rtol=1e-4,
        atol=1e-4,
    )


def test_reduction_block_has_every_position_of_keras(stock, loaded):
    """Stride 1 and padding: the stock block's places are every second one."""
    ours = keras.Model(
        loaded.get_layer("Mixed_5d").output, loaded.get_layer("Mixed_6a").output
    )
    keras_block = keras.Model(
        stock.get_layer("mixed2").output, stock.get_layer("mixed3").output
    )
    features = np.random.default_rng(2).uniform(0, 1, (1, 8, 8, 288))
    dense = ops.convert_to_numpy(ours(features, training=False))
    some = ops.convert_to_numpy(keras_block(features, training=False))
    assert dense.shape == (1, 8, 8, 768)
    np.testing.assert_allclose(
        dense[:, 1:7:2, 1:7:2], some, rtol=1e-4, atol=1e-4
    )


def test_stem_equals_pytorch(loaded):
    """The stem as the authors wrote it, padding and ceiling of PyTorch."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional

    def convolution(features, name, **arguments):
        (kernel,) = loaded.get_layer(name).get_weights()
        gamma, beta, mean, variance = (
            torch.tensor(weight)
            for weight in loaded.get_layer(f"{name}_bn").get_weights()
        )
        features = functional.conv2d(
            features, torch.tensor(kernel.transpose(3, 2, 0, 1)), **arguments
        )
        return functional.batch_norm(
            features, mean, variance, gamma, beta, eps=1e-3
        ).relu()

    def pooling(features):
        return functional.max_pool2d(features, 3, 2, 1, ceil_mode=True)

    scaled = torch.tensor(noise_images().transpose(0, 3, 1, 2)) / 127.5 - 1
    features = convolution(scaled, "Conv2d_1a", stride=2, padding=1)
    features = convolution(features, "Conv2d_2a")
    features = pooling(convolution(features, "Conv2d_2b", padding=1))
    features = convolution(features, "Conv2d_3b")
    expected = pooling(convolution(features, "Conv2d_4a"))
    stem = keras.Model(loaded.input, loaded.get_layer("pool_4").output)
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        ops.convert_to_numpy(stem(noise_images(), training=False)),
        expected.numpy().transpose(0, 2, 3, 1),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("variant", ["pytorch", "keras"])
def test_average_pools_count_zeros_in_pytorch(variant):
    torch = pytest.importorskip("torch")
    model, _, _ = build(variant=variant)
    features = np.random.default_rng(0).uniform(1, 2, (1, 8, 8, 256))
    expected = torch.nn.functional.avg_pool2d(
        torch.tensor(features.transpose(0, 3, 1, 2)),
        3,
        stride=1,
        padding=1,
        count_include_pad=variant == "pytorch",
    ).numpy()
    # A corner has four of nine places in the image.
    corners = expected[..., 0, 0] / features[:, :2, :2].mean((1, 2))
    np.testing.assert_allclose(corners, 4 / 9 if variant == "pytorch" else 1)
    pool = keras.Model(
        model.get_layer("Mixed_5b").output,
        model.get_layer("Mixed_5c_pool").output,
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(pool(features)),
        expected.transpose(0, 2, 3, 1),
        rtol=1e-5,
    )
    pools = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.AveragePooling2D)
    ]
    assert pools == [
        f"Mixed_{block}_pool" for block in ("5b", "5c", "5d", *SIXTH)
    ]
    padded = [
        f"{name}_pad" in {layer.name for layer in model.layers}
        for name in pools
    ]
    assert padded == [variant == "pytorch"] * 7


def test_weights_decide_the_variant(loaded, tmp_path):
    def variant(model):
        (name,) = (
            layer.name
            for layer in model.layers
            if layer.name.startswith("preprocess")
        )
        return "pytorch" if name == "preprocess_pytorch" else "keras"

    assert variant(build()[0]) == "pytorch"
    assert variant(loaded) == "keras"
    for source in (build()[0], loaded):
        path = tmp_path / "model.weights.h5"
        source.save_weights(path)
        assert variant(build(weights=path)[0]) == variant(source)
    with pytest.raises(ValueError, match="`variant` must be 'keras'"):
        build(weights="imagenet", variant="pytorch")


def test_coarse_maps_pool_as_pytorch():
    torch = pytest.importorskip("torch")
    model, _, _ = build(map_stride=16)
    features = np.random.default_rng(0).normal(size=(1, 8, 8, 288))
    expected = torch.nn.functional.max_pool2d(
        torch.tensor(features.transpose(0, 3, 1, 2)), 3, 2, ceil_mode=True
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.get_layer("pool_5")(features)),
        expected.numpy().transpose(0, 2, 3, 1),
        rtol=1e-6,
    )


def test_mean_of_a_class_map_is_the_logit():
    model = randomised(build()[0])
    logits = ops.convert_to_numpy(model(noise_images(), training=False))
    maps = ops.convert_to_numpy(class_maps(model, noise_images()))
    assert maps.shape == (2, 8, 8, 5) and np.ptp(logits) > 0.1
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), logits, rtol=1e-4)
    _, features = feature_model(model)(noise_images(), training=False)
    of_classes = class_activation_maps(features, None, np.array([3, 0]))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(of_classes),
        np.stack([maps[0, :, :, 3], maps[1, :, :, 0]]),
    )


@pytest.mark.slow
def test_weights_of_our_own_model(loaded, tmp_path):
    path = tmp_path / "model.keras"
    loaded.save(path)
    for num_classes in (5, 3):
        model, _, new_layers = build(num_classes, path)
        assert new_layers == (() if num_classes == 5 else ("class_maps",))
        for layer in model.layers:
            if layer.name in new_layers:
                continue
            expected = loaded.get_layer(layer.name).get_weights()
            for weight, wanted in zip(
                layer.get_weights(), expected, strict=True
            ):
                np.testing.assert_array_equal(weight, wanted)


def test_file_of_another_network_names_the_layer(tmp_path):
    path = tmp_path / "other.h5"
    other = keras.Sequential(
        [keras.Input(SMALL), keras.layers.Conv2D(4, 3, name="conv")]
    )
    other.save(path)
    with pytest.raises(DataError, match=r"other\.h5 has no .*'Conv2d_1a'"):
        build(weights=path)


def test_other_map_stride():
    with pytest.raises(ValueError, match="8 or 16. Received: map_stride=4"):
        build(map_stride=4)
