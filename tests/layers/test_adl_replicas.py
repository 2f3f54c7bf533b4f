"""`ADLLayer` under `tf.distribute`: every replica draws for itself."""

import keras
import numpy as np
import pytest

from adl_tf.layers.adl import ADLLayer
from tests.layers.shares import assert_share

if keras.backend.backend() != "tensorflow":
    pytest.skip("tf.distribute needs TensorFlow", allow_module_level=True)
tf = pytest.importorskip("tensorflow")

STEPS = 400
# Dropping leaves [1, 0] of it.
PROBE = np.array([1.0, 2.0], "float32").reshape(1, 1, 2, 1)


@pytest.fixture(scope="module")
def strategy():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def dropped_by_replica(strategy, layer, images=1, steps=STEPS):
    """Whether each image was dropped, `(steps, replicas, images)`."""

    @tf.function
    def run():
        probes = tf.repeat(PROBE, images, axis=0)
        return strategy.run(lambda: layer(probes, training=True))

    outputs = np.array(
        [
            [
                value.numpy()
                for value in strategy.experimental_local_results(out)
            ]
            for out in (run() for _ in range(steps))
        ]
    )
    return outputs[..., 0, 1, 0] == 0.0


def test_replicas_draw_independently(strategy):
    with strategy.scope():
        layer = ADLLayer(seed=1)
    dropped = dropped_by_replica(strategy, layer)[..., 0]
    assert dropped.shape == (STEPS, 2)
    assert_share(dropped[:, 0], 0.75)
    assert_share(dropped[:, 1], 0.75)
    assert_share(dropped[:, 0] != dropped[:, 1], 2 * 0.75 * 0.25)
    assert layer.weights == []


def test_replicas_draw_for_each_image(strategy):
    with strategy.scope():
        layer = ADLLayer(selection="sample", seed=1)
    dropped = dropped_by_replica(strategy, layer, images=200, steps=2)
    assert dropped.shape == (2, 2, 200)
    assert_share(dropped, 0.75)
    assert_share(dropped[:, 0] != dropped[:, 1], 2 * 0.75 * 0.25)


def test_same_seed_same_draws(strategy):
    runs = []
    for _ in range(2):
        with strategy.scope():
            layer = ADLLayer(0.5, seed=3)
        runs.append(dropped_by_replica(strategy, layer, steps=20))
    np.testing.assert_array_equal(*runs)


def test_fit_on_two_replicas(strategy):
    with strategy.scope():
        model = keras.Sequential(
            [
                keras.Input((4, 4, 3)),
                ADLLayer(drop_rate=1.0),
                keras.layers.Conv2D(1, 1, kernel_initializer="ones"),
            ]
        )
        model.compile("sgd", "mse")
    # Position by position 1 to 16: those from 13 on reach 0.8 of the maximum.
    values = np.arange(1.0, 17.0, dtype="float32").reshape(1, 4, 4, 1)
    features = values * np.ones((4, 1, 1, 3), "float32")
    loss = model.train_on_batch(features, np.zeros((4, 4, 4, 1)))
    kept = np.arange(1.0, 13.0)
    np.testing.assert_allclose(loss, (9 * kept**2).sum() / 16, rtol=1e-6)
