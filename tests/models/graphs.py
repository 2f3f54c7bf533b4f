"""Small graphs of every kind that surgery is tried on."""

import keras
import numpy as np
from keras import layers

from adl_tf.layers.adl import ADLLayer

SHAPE = (8, 8, 3)


def conv(name, filters=4, **arguments):
    return layers.Conv2D(
        filters,
        3,
        padding="same",
        activation="relu",
        bias_initializer="random_normal",
        name=name,
        **arguments,
    )


def sequential(name="sequential"):
    return keras.Sequential(
        [keras.Input(SHAPE), conv("first"), conv("second")], name=name
    )


def functional(name="functional"):
    inputs = keras.Input(SHAPE)
    hidden = conv("first")(inputs)
    hidden = layers.BatchNormalization(
        name="norm", beta_initializer="random_normal"
    )(hidden)
    return keras.Model(inputs, conv("second")(hidden), name=name)


def nested(inner):
    inputs = keras.Input(SHAPE)
    features = inner(conv("before", 3)(inputs))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(features))


def nested_functional():
    return nested(functional("inner"))


def nested_sequential():
    return nested(sequential("inner"))


def shared_layer():
    inputs = keras.Input(SHAPE)
    shared = conv("first", 3)
    return keras.Model(inputs, conv("second")(shared(shared(inputs))))


def shared_nested_model():
    inputs = keras.Input(SHAPE)
    inner = sequential("inner")
    return keras.Model(
        inputs, layers.Concatenate()([inner(inputs), inner(inputs[:, ::-1])])
    )


def parallel_branches():
    """Two branches of the same shapes, one of which gets one layer deeper.

    Keras orders the layers of a graph by their depth, so insertion changes
    which branch comes first in `model.weights`.
    """
    inputs = keras.Input(SHAPE)
    left = conv("first")(inputs)
    left = conv("left")(left)
    right = conv("second")(inputs)
    right = conv("right")(right)
    return keras.Model(inputs, layers.Subtract()([right, left]))


def noise_images():
    values = np.random.default_rng(0).normal(size=(2, *SHAPE))
    return values.astype("float32")


def all_layers(model):
    found = {}
    for layer in model.layers:
        found[layer.name] = layer
        if isinstance(layer, keras.Model):
            found.update(all_layers(layer))
    return found


def adl_names(model):
    return sorted(
        name
        for name, layer in all_layers(model).items()
        if isinstance(layer, ADLLayer)
    )


def assert_same_outputs(model, other):
    outputs, expected = (
        keras.ops.convert_to_numpy(each(noise_images(), training=False))
        for each in (model, other)
    )
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def assert_same_weights(layer, other):
    assert len(layer.weights) == len(other.weights)
    for weight, expected in zip(layer.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(weight, expected)
