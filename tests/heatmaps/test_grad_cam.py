"""Grad-CAM on any classifier, on every backend."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from adl_tf.heatmaps.class_maps import class_maps
from adl_tf.heatmaps.grad_cam import grad_cam
from adl_tf.methods.build import build_model

CLASSES = 4
CLASS_IDS = [3, 1]


def noise_images(side=16, channels=3):
    shape = (2, side, side, channels)
    return np.random.default_rng(0).uniform(0, 1, shape).astype("float32")


def drawn_weights(model):
    generator = np.random.default_rng(1)
    model.set_weights(
        [
            generator.normal(0, 0.3, weight.shape) + 0.1
            for weight in model.get_weights()
        ]
    )
    return model


def classifier(last=(), activation=None):
    """Pooled, then Dense: class activation maps are known."""
    return drawn_weights(
        keras.Sequential(
            [
                keras.Input((16, 16, 3)),
                layers.Conv2D(5, 3, activation="relu", name="first"),
                layers.Conv2D(6, 3, strides=2, activation="relu", name="last"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(CLASSES, activation=activation, name="logits"),
                *last,
            ]
        )
    )


def class_activation_maps(model, images, features="last"):
    """Features weighted by the columns of the Dense layer, in numpy."""
    to_features = keras.Model(model.inputs[0], model.get_layer(features).output)
    features = ops.convert_to_numpy(to_features(images))
    kernel = model.get_layer("logits").get_weights()[0]
    return np.einsum("bhwc,cb->bhw", features, kernel[:, CLASS_IDS])


def found(model, images, **options):
    maps = grad_cam(model, images, CLASS_IDS, **options)
    assert keras.backend.standardize_dtype(maps.dtype) == "float32"
    return ops.convert_to_numpy(maps)


def assert_same(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(
        found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max()
    )


def expected_of(model):
    maps = class_activation_maps(model, noise_images())
    return maps / (maps.shape[1] * maps.shape[2])


def test_equals_class_activation_maps():
    model = classifier()
    expected = expected_of(model)
    assert expected.min() < 0 < expected.max()
    assert_same(found(model, noise_images()), expected)


def test_equals_class_activation_maps_of_our_networks():
    model = drawn_weights(
        build_model("small_cnn", "adl", CLASSES, None, (32, 32, 3))
    )
    images = 255 * noise_images(32)
    maps = ops.convert_to_numpy(class_maps(model, images))
    expected = np.stack([maps[0, ..., 3], maps[1, ..., 1]])
    _, height, width = expected.shape
    assert_same(found(model, images), expected / (height * width))


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "softmax"},
        {"activation": "sigmoid"},
        {"last": [layers.Softmax()]},
        {"last": [layers.Activation("softmax", dtype="float32")]},
    ],
    ids=["softmax", "sigmoid", "layer", "activation"],
)
def test_logits_count_whatever_follows_them(changes):
    model = classifier(**changes)
    before = model.get_weights()
    assert_same(found(model, noise_images()), expected_of(model))
    for weight, same in zip(model.get_weights(), before):
        np.testing.assert_array_equal(weight, same)


def test_softmax_that_is_certain():
    # Its own gradient is 0 there; that of the logits is not.
    model = classifier(activation="softmax")
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([kernel, bias + [0, 500, 0, 0]])
    assert_same(found(model, noise_images()), expected_of(model))


def test_layer_by_name():
    model = classifier()
    default = found(model, noise_images())
    np.testing.assert_array_equal(
        found(model, noise_images(), layer="last"), default
    )
    assert found(model, noise_images(), layer="first").shape == (2, 14, 14)


@pytest.mark.parametrize("layer", ["nonsense", "logits", ""])
def test_no_such_layer(layer):
    with pytest.raises(ValueError, match="height and width: first, last"):
        grad_cam(classifier(), noise_images(), CLASS_IDS, layer=layer)


def test_no_height_and_width_at_all():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(CLASSES)])
    with pytest.raises(ValueError, match="there is none"):
        grad_cam(model, np.zeros((2, 8)), CLASS_IDS)


def test_subclassed_model():
    class Subclassed(keras.Model):
        def call(self, images):
            return images

    with pytest.raises(ValueError, match="subclassed"):
        grad_cam(Subclassed(), noise_images(), CLASS_IDS)


def test_gradient_by_differences():
    """A network whose head is not linear in the features."""
    inputs = keras.Input((6, 6, 2))
    features = layers.Conv2D(3, 3, activation="tanh", name="features")(inputs)
    hidden = layers.Dense(5, activation="tanh")(layers.Flatten()(features))
    model = keras.Model(inputs, layers.Dense(CLASSES)(hidden))
    model = drawn_weights(model)
    images = noise_images(6, 2)
    kernel, bias, *head = (np.float64(w) for w in model.get_weights())

    def logits(values):
        hidden = np.tanh(values.reshape(len(values), -1) @ head[0] + head[1])
        return hidden @ head[2] + head[3]

    values = np.zeros((2, 4, 4, 3))
    for y, x in np.ndindex(4, 4):
        patch = np.float64(images[:, y : y + 3, x : x + 3])
        values[:, y, x] = np.tanh(
            np.einsum("bhwc,hwcd->bd", patch, kernel) + bias
        )
    weights = np.zeros((2, 3))
    for y, x, channel in np.ndindex(4, 4, 3):
        step = np.zeros(values.shape)
        step[:, y, x, channel] = 1e-5
        change = (logits(values + step) - logits(values - step)) / 2e-5
        weights[:, channel] += change[[0, 1], CLASS_IDS] / 16
    expected = np.einsum("bhwc,bc->bhw", values, weights)
    np.testing.assert_allclose(
        found(model, images),
        expected,
        rtol=1e-3,
        atol=1e-4 * np.abs(expected).max(),
    )


def test_nested_models():
    model = classifier()
    features = keras.Model(
        model.inputs[0], model.get_layer("last").output, name="backbone"
    )
    inputs = keras.Input((16, 16, 3))
    scaled = layers.Rescaling(1.0)(inputs)
    pooled = layers.GlobalAveragePooling2D()(features(scaled))
    head = keras.Sequential(
        [model.get_layer("logits"), layers.Softmax()], name="head"
    )
    nested = keras.Model(inputs, head(pooled))
    expected = expected_of(model)
    assert_same(found(nested, noise_images()), expected)
    for layer in ("last", "backbone"):
        assert_same(found(nested, noise_images(), layer=layer), expected)
    assert found(nested, noise_images(), layer="first").shape == (2, 14, 14)


def test_layer_that_is_called_twice():
    inputs = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    twice = shared(shared(inputs))
    logits = layers.Dense(CLASSES, name="logits")
    outputs = logits(layers.GlobalAveragePooling2D()(twice))
    model = drawn_weights(keras.Model(inputs, outputs))
    values = ops.convert_to_numpy(keras.Model(inputs, twice)(noise_images(8)))
    kernel = logits.get_weights()[0]
    expected = np.einsum("bhwc,cb->bhw", values, kernel[:, CLASS_IDS])
    assert_same(found(model, noise_images(8)), expected / 64)


def test_features_that_are_pooled_but_keep_their_rank():
    model = classifier()
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(
        model.get_layer("last").output
    )
    as_convolution = layers.Conv2D(CLASSES, 1)
    outputs = layers.Flatten()(as_convolution(pooled))
    kernel, bias = model.get_layer("logits").get_weights()
    as_convolution.set_weights([kernel[None, None], bias])
    found_maps = found(keras.Model(model.inputs[0], outputs), noise_images())
    assert_same(found_maps, expected_of(model))


def test_padding_is_not_the_last_layer():
    model = classifier()
    features = model.get_layer("last").output
    padded = layers.ZeroPadding2D(1, name="padded")(features)
    pooled = layers.GlobalAveragePooling2D()(padded)
    same = keras.Model(model.inputs[0], model.get_layer("logits")(pooled))
    maps = class_activation_maps(model, noise_images())
    _, height, width = maps.shape
    expected = maps / ((height + 2) * (width + 2))
    assert_same(found(same, noise_images()), expected)
    assert (
        found(same, noise_images(), layer="padded").shape[1:]
        == padded.shape[1:3]
    )


def test_map_of_one_place():
    """Small images: the last features that are not pooled come before."""
    model = classifier()
    last = layers.Conv2D(7, 6, activation="relu", name="one_place")
    logits = layers.Dense(CLASSES, name="logits")
    outputs = logits(layers.Flatten()(last(model.get_layer("last").output)))
    model = drawn_weights(keras.Model(model.inputs[0], outputs))
    with pytest.raises(ValueError, match="'one_place' has one place"):
        grad_cam(model, noise_images(), CLASS_IDS, layer="one_place")
    assert found(model, noise_images()).shape == (2, 6, 6)


def test_model_that_is_compiled_with_a_loss_of_ones_own():
    model = classifier()
    model = keras.Model(model.inputs[0], model.outputs[0])
    model.compile("sgd", lambda labels, logits: ops.mean(logits - labels))
    assert_same(found(model, noise_images()), expected_of(model))


def test_stock_network():
    model = keras.applications.MobileNet(
        weights=None, input_shape=(64, 64, 3), classes=CLASSES
    )
    assert found(model, noise_images(64)).shape == (2, 2, 2)


def test_images_are_a_batch():
    model = classifier()
    assert_same(found(model, list(noise_images())), expected_of(model))
    with pytest.raises(ValueError, match=r"a batch .*shape \(16, 16, 3\)"):
        grad_cam(model, noise_images()[0], [3])


@pytest.mark.parametrize(
    "class_ids",
    [[0, 3], [-1, 0], ["conv", "dense"], [1], np.eye(2, 3, dtype=int)],
)
def test_class_that_does_not_exist(class_ids):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    with pytest.raises(ValueError, match="from 0 to 2"):
        grad_cam(model, np.zeros((2, 8, 8, 3)), class_ids)


def test_data_format_of_the_model_itself():
    """The same maps, whichever axis of the model holds the channels."""

    def build(data_format, shape):
        last = data_format == "channels_last"
        inputs = keras.Input(shape)
        hidden = inputs if last else layers.Permute((3, 1, 2))(inputs)
        hidden = layers.AveragePooling2D(2, data_format=data_format)(hidden)
        hidden = layers.ReLU()(hidden)
        pooled = layers.GlobalAveragePooling2D(
            data_format=data_format, keepdims=True
        )(hidden)
        logits = layers.Dense(CLASSES)(layers.Flatten()(pooled))
        return keras.Model(inputs, logits)

    images = np.random.default_rng(3).random((2, 8, 12, 5), np.float32)
    expected, first = (
        build(name, images.shape[1:])
        for name in ("channels_last", "channels_first")
    )
    first.set_weights(expected.get_weights())
    maps = found(first, images)
    assert maps.shape == (2, 4, 6)
    assert_same(maps, found(expected, images))
