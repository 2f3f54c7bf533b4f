"""Evaluation on several replicas: every image once."""

import numpy as np
import pytest
import tensorflow as tf

from adl_tf.evaluation.network import Network
from adl_tf.evaluation.replicas import replicated
from adl_tf.training.strategy import make_strategy


@pytest.mark.parametrize("number", [1, 2, 5, 8])
def test_shares_are_put_together_again(number):
    seen = []

    def localize(images, class_ids):
        means = tf.reduce_mean(tf.cast(images, "float32"), axis=[1, 2, 3])
        tf.py_function(lambda part: seen.append(len(part)), [images], [])
        return means[:, None], tf.cast(class_ids, "float32")[:, None, None]

    network = replicated(Network(localize, 1, 4), make_strategy("mirrored"))
    random = np.random.default_rng(number)
    images = random.integers(0, 255, (number, 4, 4, 3), np.uint8)
    probabilities, maps = network.localize(
        tf.constant(images), np.arange(number)
    )
    np.testing.assert_allclose(
        probabilities[:, 0], images.mean(axis=(1, 2, 3)), rtol=1e-6
    )
    assert maps[:, 0, 0].numpy().tolist() == list(range(number))
    # Both replicas took their share.
    assert sorted(seen) == [max(number, 2) // 2, (max(number, 2) + 1) // 2]


def test_one_replica_is_the_network_itself():
    network = Network(None, 1, 4)
    assert replicated(network, make_strategy("one_device")) is network
