"""Editing Keras graphs: other settings, and layers left out."""

import keras
import numpy as np
import pytest
from keras import layers

from adl_tf.models.surgery import edit_layers, layer_names, remove_layers
from tests.models.graphs import (
    SHAPE,
    all_layers,
    assert_same_outputs,
    assert_same_weights,
    conv,
    functional,
    nested_functional,
    noise_images,
    sequential,
)


@pytest.mark.parametrize("make", [sequential, functional, nested_functional])
def test_edited_stride(make):
    model = make()
    edited = edit_layers(model, {"second": {"strides": (2, 2)}})
    assert all_layers(edited)["second"].strides == (2, 2)
    assert all_layers(model)["second"].strides == (1, 1)
    for name in ("first", "second"):
        assert_same_weights(all_layers(edited)[name], all_layers(model)[name])


def test_edited_stride_subsamples():
    inputs = keras.Input(SHAPE)
    model = keras.Model(inputs, layers.Conv2D(4, 1, name="conv")(inputs))
    edited = edit_layers(model, {"conv": {"strides": (2, 2)}})
    np.testing.assert_allclose(
        edited(noise_images()), model(noise_images())[:, ::2, ::2], atol=1e-6
    )


def test_normalization_goes_on_with_its_weights():
    normalization = layers.Normalization(name="normalization")
    model = keras.Sequential([keras.Input(SHAPE), normalization])
    normalization.adapt(10 * noise_images() + 3)
    edited = edit_layers(model, {})
    assert_same_outputs(edited, model)
    assert np.abs(edited(noise_images()) - noise_images()).max() > 0.1


def test_removed_layer_is_passed_by():
    inputs = keras.Input(SHAPE)
    hidden = conv("first")(inputs)
    pooled = layers.MaxPooling2D(2, name="pool")(hidden)
    model = keras.Model(inputs, conv("second")(pooled))
    edited = remove_layers(model, ["pool"])
    assert layer_names(edited) == ["first", "second"]
    assert edited.output_shape == (None, *SHAPE[:2], 4)
    first, second = model.get_layer("first"), model.get_layer("second")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(edited(noise_images())),
        keras.ops.convert_to_numpy(second(first(noise_images()))),
        atol=1e-6,
    )
    with pytest.raises(ValueError, match="no layer 'pol'.*pool"):
        remove_layers(model, ["pol"])
