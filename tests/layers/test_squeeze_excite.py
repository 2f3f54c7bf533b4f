"""`SqueezeExcite` against its formula in numpy, on whichever Keras backend."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.layers.squeeze_excite import SqueezeExcite


def random_features(shape=(2, 3, 5, 32)):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def with_random_weights(layer, shape):
    if not layer.built:
        layer.build(shape)
    generator = np.random.default_rng(1)
    layer.set_weights(
        [generator.normal(size=w.shape) for w in layer.get_weights()]
    )
    return layer


def reference(features, weights):
    """Features are channels last; one image and one channel at a time."""
    squeeze_kernel, squeeze_bias, excite_kernel, excite_bias = weights
    outputs = np.empty_like(features)
    for index, image in enumerate(features):
        means = [image[:, :, c].mean() for c in range(image.shape[2])]
        units = np.maximum(means @ squeeze_kernel + squeeze_bias, 0.0)
        answers = units @ excite_kernel + excite_bias
        for channel, answer in enumerate(answers):
            outputs[index, :, :, channel] = image[:, :, channel] / (
                1.0 + np.exp(-answer)
            )
    return outputs


@pytest.mark.parametrize("reduction", [1, 4, 16])
def test_formula(reduction):
    features = random_features()
    layer = with_random_weights(SqueezeExcite(reduction), features.shape)
    shapes = [weight.shape for weight in layer.get_weights()]
    units = 32 // reduction
    assert shapes == [(32, units), (units,), (units, 32), (32,)]
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(features)),
        reference(features, layer.get_weights()),
        atol=1e-5,
    )


def test_channels_first():
    features = random_features()
    first = with_random_weights(
        SqueezeExcite(8, data_format="channels_first"), (2, 32, 3, 5)
    )
    outputs = ops.convert_to_numpy(first(features.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(
        outputs.transpose(0, 2, 3, 1),
        reference(features, first.get_weights()),
        atol=1e-5,
    )


def test_unknown_sizes():
    layer = SqueezeExcite(4)
    inputs = keras.Input((None, None, 8))
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, None, 8)
    assert model.predict(random_features((1, 2, 3, 8)), verbose=0).shape == (
        1,
        2,
        3,
        8,
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    # A sum of these values over the positions does not fit into float16.
    features = 300.0 + random_features((2, 20, 20, 32))
    layer = SqueezeExcite(16, dtype=policy)
    weights = with_random_weights(layer, features.shape).get_weights()
    layer.set_weights([weight / 1000.0 for weight in weights])
    outputs = layer(features)
    assert keras.backend.standardize_dtype(outputs.dtype) == policy[6:]
    assert {w.dtype for w in layer.weights} == {"float32"}
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(outputs, "float32")),
        reference(features, layer.get_weights()),
        rtol=0.05,
    )


def test_saved_and_loaded(tmp_path):
    inputs = keras.Input((4, 4, 8))
    layer = SqueezeExcite(2, data_format="channels_last", name="se")
    model = keras.Model(inputs, layer(inputs))
    with_random_weights(layer, (None, 4, 4, 8))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("se").get_config() == layer.get_config()
    features = random_features((1, 4, 4, 8))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(loaded(features)),
        ops.convert_to_numpy(model(features)),
    )


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"reduction": 0}, "reduction=0"),
        ({"reduction": 2.5}, "reduction=2.5"),
        ({"reduction": True}, "reduction=True"),
        ({"data_format": "channels"}, "data_format='channels'"),
    ],
)
def test_impossible_argument(arguments, received):
    with pytest.raises(ValueError) as caught:
        SqueezeExcite(**arguments)
    assert str(caught.value).endswith(f"Received: {received}")


def test_too_few_channels():
    with pytest.raises(ValueError, match=r"\(2, 4, 4, 8\)"):
        SqueezeExcite(16)(random_features((2, 4, 4, 8)))


def test_input_of_another_rank():
    with pytest.raises(ValueError, match="ndim=4"):
        SqueezeExcite(2)(np.ones((2, 8), "float32"))


def test_public_name():
    import adl_tf

    assert adl_tf.SqueezeExcite is SqueezeExcite
