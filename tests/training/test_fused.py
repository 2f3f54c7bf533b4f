"""The fused layer against the one it takes the place of."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from adl_tf.training.fused import BatchNormalization, fuse_batch_normalization


def network(**options):
    inputs = keras.Input((6, 5, 3))
    normalized = keras.layers.BatchNormalization(
        name="normalized", momentum=0.7, **options
    )(inputs)
    model = keras.Model(inputs, keras.layers.ReLU()(normalized))
    generator = np.random.default_rng(1)
    model.set_weights(
        [generator.uniform(0.5, 2.0, w.shape) for w in model.weights]
    )
    return model


def trained(model, images, weights):
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") * weights)
    variables = [v.value for v in model.trainable_variables]
    gradients = tape.gradient(loss, [images, *variables])
    return [outputs, *gradients, *(w.value for w in model.weights)]


@pytest.mark.parametrize(
    "options",
    [{}, {"scale": False}, {"center": False, "dtype": "mixed_bfloat16"}],
    ids=str,
)
def test_is_keras_layer(options):
    generator = np.random.default_rng(0)
    images = tf.constant(generator.normal(2.0, 3.0, (4, 6, 5, 3)), "float32")
    weights = generator.normal(size=(4, 6, 5, 3)).astype("float32")
    plain, fused = network(**options), network(**options)
    fuse_batch_normalization(fused)
    assert type(fused.get_layer("normalized")) is BatchNormalization
    # As coarse as bfloat16 is: eight bits.
    tolerance = 0.03 if "dtype" in options else 2e-5
    for ours, keras_own in zip(
        trained(fused, images, weights), trained(plain, images, weights)
    ):
        np.testing.assert_allclose(
            *(tf.cast(value, "float32") for value in (ours, keras_own)),
            rtol=tolerance,
            atol=tolerance,
        )
    # The statistics were moved, and inference is Keras's to the bit.
    fused.set_weights(plain.get_weights())
    np.testing.assert_array_equal(fused(images), plain(images))


def test_weight_files_are_the_same(tmp_path):
    fused = network()
    fuse_batch_normalization(fused)
    fused.save_weights(tmp_path / "fused.weights.h5")
    plain = network()
    plain.set_weights([np.zeros(w.shape) for w in plain.weights])
    plain.load_weights(tmp_path / "fused.weights.h5")
    for ours, keras_own in zip(fused.get_weights(), plain.get_weights()):
        np.testing.assert_array_equal(ours, keras_own)


@pytest.mark.parametrize(
    "options",
    [{"axis": 1}, {"dtype": "float64"}, {"synchronized": True}],
    ids=str,
)
def test_others_are_left_alone(options):
    model = network(**options)
    fuse_batch_normalization(model)
    assert type(model.get_layer("normalized")) is not BatchNormalization


def test_frozen_layers_do_not_learn():
    model = network()
    fuse_batch_normalization(model)
    model.get_layer("normalized").trainable = False
    before = model.get_weights()
    model(np.random.default_rng(0).normal(size=(2, 6, 5, 3)), training=True)
    for old, new in zip(before, model.get_weights()):
        np.testing.assert_array_equal(old, new)
