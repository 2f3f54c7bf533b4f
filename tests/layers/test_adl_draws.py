"""What `ADLLayer` draws: shares of steps, images, layers and seeds.

Runs on whichever Keras backend is active.
"""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.layers.adl import ADLLayer
from tests.layers.shares import assert_share

BACKEND = keras.backend.backend()
STEPS = 10_000
# Dropping leaves [1, 0] of it, highlighting neither 1 nor 2.
PROBE = np.array([1.0, 2.0], "float32").reshape(1, 1, 2, 1)


def train(layer, features):
    return ops.convert_to_numpy(layer(features, training=True))


def outcomes(outputs):
    """Name of the branch that made each output of `PROBE`."""
    outputs = ops.convert_to_numpy(outputs)
    first, second = outputs[..., 0, 0, 0], outputs[..., 0, 1, 0]
    names = np.where((first == 1) & (second == 0), "drop", "highlight")
    return np.where((first == 1) & (second == 2), "pass", names)


def step_outcomes(layers, steps):
    """What every layer did in every step, `(steps, layers)`."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function
        def run():
            return tf.map_fn(
                lambda _: tf.stack(
                    [layer(PROBE, training=True) for layer in layers]
                ),
                tf.range(steps),
                parallel_iterations=1,
                fn_output_signature="float32",
            )

        outputs = run()
    elif BACKEND == "jax":
        import jax

        def run_step(states, _):
            outputs, states = zip(
                *(
                    layer.stateless_call([], state, PROBE, training=True)
                    for layer, state in zip(layers, states)
                )
            )
            return list(states), ops.stack(outputs)

        states = [
            [state.value for state in layer.non_trainable_variables]
            for layer in layers
        ]
        _, outputs = jax.lax.scan(run_step, states, length=steps)
    else:
        outputs = np.stack(
            [[train(layer, PROBE) for layer in layers] for _ in range(steps)]
        )
    return outcomes(outputs)[..., 0]


def test_batch_selection_draws_once_for_all_images():
    layer = ADLLayer(0.5, seed=1)
    seen = set()
    for _ in range(20):
        images = outcomes(train(layer, np.repeat(PROBE, 32, axis=0)))
        assert len(set(images)) == 1
        seen.update(images)
    assert seen == {"drop", "highlight"}


def test_sample_selection_draws_for_each_image():
    layer = ADLLayer(0.4, importance_rate=0.3, selection="sample", seed=1)
    probes = np.repeat(PROBE, 64, axis=0)
    first, second = (outcomes(train(layer, probes)) for _ in range(2))
    assert set(first) == {"drop", "highlight", "pass"}
    assert (first != second).any()


@pytest.mark.parametrize(
    ("drop_rate", "importance_rate", "shares"),
    [
        (0.75, None, {"drop": 0.75, "highlight": 0.25, "pass": 0.0}),
        (0.5, 0.2, {"drop": 0.5, "highlight": 0.2, "pass": 0.3}),
        (0.75, 0.0, {"drop": 0.75, "highlight": 0.0, "pass": 0.25}),
        (0.0, 0.25, {"drop": 0.0, "highlight": 0.25, "pass": 0.75}),
        # 1 - 0.9 is a little less than 0.1.
        (0.9, 0.1, {"drop": 0.9, "highlight": 0.1, "pass": 0.0}),
    ],
)
def test_shares_over_many_images(drop_rate, importance_rate, shares):
    layer = ADLLayer(
        drop_rate,
        importance_rate=importance_rate,
        selection="sample",
        seed=1,
    )
    done = outcomes(train(layer, np.repeat(PROBE, STEPS, axis=0)))
    for name, share in shares.items():
        assert_share(done == name, share)


def test_shares_over_many_steps_and_independence_of_layers():
    keras.utils.set_random_seed(1)
    done = step_outcomes([ADLLayer(), ADLLayer()], STEPS)
    assert done.shape == (STEPS, 2)
    dropped = done == "drop"
    assert_share(dropped[:, 0], 0.75)
    assert_share(dropped[:, 1], 0.75)
    assert_share(dropped.all(axis=1), 0.75**2)
    # Nor does a step depend on the one before.
    assert_share(dropped[1:, 0] & dropped[:-1, 0], 0.75**2)


def test_same_seed_same_draws():
    first, again, other = (
        [outcomes(train(layer, PROBE))[0] for _ in range(30)]
        for layer in (ADLLayer(0.5, seed=seed) for seed in (1, 1, 2))
    )
    assert first == again
    assert first != other


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.function")
def test_xla_draws_anew_in_every_step():
    import tensorflow as tf

    layer = ADLLayer(0.5, seed=1)
    run = tf.function(lambda: layer(PROBE, training=True), jit_compile=True)
    assert {outcomes(run())[0] for _ in range(30)} == {"drop", "highlight"}
