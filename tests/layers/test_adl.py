"""`ADLLayer` and `adl_maps` against the formulas, written out in numpy.

Runs on whichever Keras backend is active.
"""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.layers.adl import ADLLayer, adl_maps

BACKEND = keras.backend.backend()
DROP = {"drop_rate": 1.0}
HIGHLIGHT = {"drop_rate": 0.0}
PASS = {"drop_rate": 0.0, "importance_rate": 0.0}


def random_features(shape=(3, 5, 6, 8), seed=0):
    features = np.random.default_rng(seed).normal(0.5, 1.0, shape)
    return features.astype("float32")


def one_channel(*rows):
    return np.array(rows, "float32")[np.newaxis, :, :, np.newaxis]


def reference_maps(features, gamma=0.8):
    attention = np.zeros((*features.shape[:3], 1))
    drop_mask = np.ones_like(attention)
    for image in range(len(features)):
        attention[image, :, :, 0] = features[image].mean(
            axis=2, dtype="float64"
        )
        strongest = gamma * attention[image].max()
        drop_mask[image][attention[image] >= strongest] = 0.0
    return attention, drop_mask, 1.0 / (1.0 + np.exp(-attention))


def reference_outputs(features, mode, gamma=0.8):
    _, drop_mask, importance_map = reference_maps(features, gamma)
    if mode == DROP:
        return features * drop_mask
    return features * importance_map if mode == HIGHLIGHT else features


def train(layer, features):
    return ops.convert_to_numpy(layer(features, training=True))


def input_gradient(layer, features, upstream):
    """Gradient of `sum(layer(features) * upstream)` for the features."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        inputs = tf.constant(features)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(layer(inputs, training=True) * upstream)
        return tape.gradient(total, inputs).numpy()
    if BACKEND == "jax":
        import jax

        states = [state.value for state in layer.non_trainable_variables]

        def weighted_sum(inputs):
            outputs, _ = layer.stateless_call([], states, inputs, training=True)
            return ops.sum(outputs * upstream)

        return np.asarray(jax.grad(weighted_sum)(features))
    inputs = ops.convert_to_tensor(features).requires_grad_(True)
    outputs = layer(inputs, training=True)
    ops.sum(outputs * ops.convert_to_tensor(upstream)).backward()
    return inputs.grad.numpy()


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.8, 0.95, 1.0])
def test_maps_match_reference(gamma):
    features = random_features()
    for actual, expected in zip(
        adl_maps(features, gamma), reference_maps(features, gamma)
    ):
        assert actual.shape == (3, 5, 6, 1)
        np.testing.assert_allclose(
            ops.convert_to_numpy(actual), expected, atol=1e-6
        )


@pytest.mark.parametrize("selection", ["batch", "sample"])
@pytest.mark.parametrize("mode", [DROP, HIGHLIGHT, PASS])
def test_branch_matches_reference(mode, selection):
    features = random_features()
    layer = ADLLayer(**mode, gamma=0.6, selection=selection)
    np.testing.assert_allclose(
        train(layer, features),
        reference_outputs(features, mode, gamma=0.6),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("rows", "gamma", "kept"),
    [
        pytest.param(
            [[1, 4, 3], [4, 0, 2]],
            1.0,
            [[1, 0, 1], [0, 1, 1]],
            id="gamma_1_drops_exactly_the_maxima",
        ),
        pytest.param(
            [[1, 0.5], [np.nextafter(np.float32(0.5), np.float32(0)), 0.75]],
            0.5,
            [[0, 0], [1, 0]],
            id="equality_drops",
        ),
        pytest.param([[3, 0], [1, 2]], 0.0, [[0, 0], [0, 0]], id="gamma_0"),
        pytest.param([[0, 0], [0, 0]], 0.8, [[0, 0], [0, 0]], id="all_zero"),
        pytest.param([[5, 5], [5, 5]], 0.8, [[0, 0], [0, 0]], id="constant"),
    ],
)
def test_comparison_is_strict(rows, gamma, kept):
    _, drop_mask, _ = adl_maps(one_channel(*rows), gamma)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(drop_mask), one_channel(*kept)
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_strongest_position_is_always_dropped(gamma):
    features = np.abs(random_features((16, 4, 4, 3)))
    outputs = train(ADLLayer(**DROP, gamma=gamma), features)
    for image, output in zip(features, outputs):
        row, column = np.unravel_index(image.mean(axis=2).argmax(), (4, 4))
        assert not output[row, column].any()


def test_threshold_is_each_images_own():
    weak = one_channel([1, 2], [0, 0.5])
    _, drop_mask, _ = adl_maps(np.concatenate([weak, 1000 * weak]), 0.8)
    kept = one_channel([1, 0], [1, 1])
    np.testing.assert_array_equal(
        ops.convert_to_numpy(drop_mask), np.concatenate([kept, kept])
    )


def test_nothing_is_rescaled():
    features = random_features((64, 3, 3, 2))
    layer = ADLLayer(0.25, importance_rate=0.0, selection="sample", seed=1)
    outputs = train(layer, features)
    changed = outputs != features
    assert changed.any() and not changed.all()
    assert not outputs[changed].any()


@pytest.mark.parametrize("mode", [DROP, HIGHLIGHT, PASS, {}])
def test_identity_outside_training(mode):
    features = random_features()
    layer = ADLLayer(**mode)
    for outputs in (layer(features), layer(features, training=False)):
        np.testing.assert_array_equal(ops.convert_to_numpy(outputs), features)


def test_gradient_of_drop_is_the_mask():
    features, upstream = random_features(), random_features(seed=1)
    np.testing.assert_array_equal(
        input_gradient(ADLLayer(**DROP), features, upstream),
        upstream * reference_maps(features)[1].astype("float32"),
    )


def test_gradient_of_importance_flows_through_the_sigmoid():
    features, upstream = random_features(), random_features(seed=1)
    _, _, importance = reference_maps(features)
    through_the_map = (
        importance
        * (1 - importance)
        * (upstream * features).sum(axis=3, keepdims=True)
        / features.shape[3]
    )
    np.testing.assert_allclose(
        input_gradient(ADLLayer(**HIGHLIGHT), features, upstream),
        upstream * importance + through_the_map,
        atol=1e-5,
    )


@pytest.mark.parametrize("mode", [DROP, HIGHLIGHT, PASS])
def test_gradient_matches_finite_differences(mode):
    # JAX computes in float32 unless told otherwise for the whole process.
    dtype, tolerance = ("float32", 1e-5)
    if BACKEND != "jax":
        dtype, tolerance = ("float64", 1e-8)
    shape = (1, 3, 3, 4)
    features = random_features(shape).astype("float64")
    upstream = random_features(shape, seed=1).astype("float64")
    steps = 1e-6 * np.eye(features.size).reshape(-1, *shape[1:])
    differences = reference_outputs(features + steps, mode)
    differences -= reference_outputs(features - steps, mode)
    expected = (differences * upstream).sum(axis=(1, 2, 3)) / 2e-6
    gradient = input_gradient(
        ADLLayer(**mode, dtype=dtype),
        features.astype(dtype),
        upstream.astype(dtype),
    )
    np.testing.assert_allclose(gradient.ravel(), expected, atol=tolerance)


@pytest.mark.parametrize("mode", [DROP, HIGHLIGHT])
def test_channels_first_is_channels_last_transposed(mode):
    features = random_features()
    outputs = train(
        ADLLayer(**mode, data_format="channels_first"),
        features.transpose(0, 3, 1, 2),
    )
    np.testing.assert_allclose(
        outputs.transpose(0, 2, 3, 1),
        reference_outputs(features, mode),
        atol=1e-6,
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_compares_in_float32(policy):
    # The means are 128 and 128 1/32, which either half type rounds to 128:
    # both positions would be dropped.
    features = np.full((1, 1, 2, 32), 128.0, "float32")
    features[0, 0, 1, 0] = 129.0
    layer = ADLLayer(**DROP, gamma=1.0, dtype=policy)
    outputs = layer(features, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == policy[6:]
    kept = ops.convert_to_numpy(ops.cast(outputs, "float32")).any(axis=3)
    assert kept.tolist() == [[[True, False]]]


def test_half_precision_does_not_overflow():
    features = np.full((1, 1, 2, 8), 60_000.0, "float16")
    features[0, 0, 0] = 30_000.0
    attention, drop_mask, _ = adl_maps(features, 0.8)
    assert ops.convert_to_numpy(attention).ravel().tolist() == [30e3, 60e3]
    assert ops.convert_to_numpy(drop_mask).ravel().tolist() == [1.0, 0.0]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_importance(policy):
    features = np.abs(random_features())
    layer = ADLLayer(**HIGHLIGHT, dtype=policy)
    outputs = ops.cast(layer(features, training=True), "float32")
    np.testing.assert_allclose(
        ops.convert_to_numpy(outputs),
        reference_outputs(features, HIGHLIGHT),
        rtol=2e-3 if policy == "mixed_float16" else 2e-2,
        atol=1e-6,
    )


@pytest.mark.parametrize("mode", [DROP, HIGHLIGHT])
def test_unknown_height_and_width(mode):
    inputs = keras.Input((None, None, 8))
    model = keras.Model(inputs, ADLLayer(**mode)(inputs))
    assert model.output_shape == (None, None, None, 8)
    for shape in ((1, 3, 4, 8), (2, 7, 5, 8)):
        features = random_features(shape)
        np.testing.assert_allclose(
            train(model, features),
            reference_outputs(features, mode),
            atol=1e-6,
        )


@pytest.mark.parametrize("selection", ["batch", "sample"])
@pytest.mark.parametrize("mode", [DROP, HIGHLIGHT])
def test_compiled_training_step(mode, selection):
    if BACKEND == "torch":
        pytest.skip("the first torch.compile takes minutes on a CPU")
    features = random_features((2, 4, 4, 3))
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            ADLLayer(**mode, selection=selection),
            keras.layers.Conv2D(1, 1, kernel_initializer="ones"),
        ]
    )
    model.compile("sgd", "mse", jit_compile=True)
    loss = model.train_on_batch(features, np.zeros((2, 4, 4, 1)))
    outputs = reference_outputs(features, mode).sum(axis=3)
    np.testing.assert_allclose(loss, np.mean(outputs**2), rtol=1e-5)


def test_saved_and_loaded(tmp_path):
    inputs = keras.Input((4, 4, 3))
    layer = ADLLayer(0.5, 0.9, 0.25, "sample", "channels_last", 7, name="adl")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("adl").get_config() == layer.get_config()
    features = random_features((32, 4, 4, 3))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(loaded(features)), features
    )
    np.testing.assert_array_equal(
        train(loaded, features), train(model, features)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {
            "drop_rate": 0.5,
            "gamma": 0.9,
            "importance_rate": 0.25,
            "selection": "sample",
            "data_format": "channels_first",
            "seed": 3,
        },
    ],
)
def test_config_round_trip(arguments):
    config = ADLLayer(**arguments, name="adl", dtype="float16").get_config()
    assert arguments.items() <= config.items()
    assert ADLLayer.from_config(config).get_config() == config


@pytest.mark.parametrize(
    "arguments", [{"selection": "sample"}, {"importance_rate": 0.1}], ids=str
)
def test_maps_are_computed_once(monkeypatch, arguments):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return adl_maps(*arguments)

    monkeypatch.setattr("adl_tf.layers.adl.adl_maps", counted)
    train(ADLLayer(0.5, **arguments), random_features())
    assert len(calls) == 1


def test_no_weights():
    layer = ADLLayer()
    layer(random_features(), training=True)
    assert layer.weights == []
    assert layer.count_params() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"drop_rate": 0.0},
        {"drop_rate": 1.0},
        {"selection": "sample"},
        {"importance_rate": 0.1},
    ],
)
def test_batch_without_images(arguments):
    features = np.zeros((0, 4, 5, 3), "float32")
    outputs = ADLLayer(**arguments)(features, training=True)
    assert ops.convert_to_numpy(outputs).shape == (0, 4, 5, 3)
