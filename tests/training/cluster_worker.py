"""What one worker of a cluster sees, as JSON; started by test_cluster.py."""

import json
import os

import keras
import numpy as np
import tensorflow as tf

from adl_tf import ADLLayer
from adl_tf.evaluation.network import Network
from adl_tf.evaluation.replicas import replicated
from adl_tf.training.strategy import (
    agree,
    barrier,
    is_chief,
    make_strategy,
    share_from_chief,
)

strategy = make_strategy("auto", 120)
chief = is_chief("auto")
seen = {"replicas": strategy.num_replicas_in_sync}

with strategy.scope():
    layer = ADLLayer(seed=1)
    # As after a checkpoint that the chief alone has read.
    generator = keras.random.SeedGenerator(7)
    weight = keras.Variable(np.zeros(3, "float32"))
if chief:
    generator.state.assign([5, 9])
    weight.assign([1.5, -2.0, 1e-30])
seen["step"] = share_from_chief(
    strategy, 12 if chief else 0, [generator.state, weight]
)
seen["state"] = generator.state.numpy().tolist()
seen["weight"] = weight.numpy().tolist()
seen["votes"] = [
    agree(strategy, False, 3 if chief else 7),
    agree(strategy, chief, 4 if chief else 8),
    agree(strategy, not chief, 5 if chief else 9),
]


@tf.function
def draw():
    probe = tf.constant([1.0, 2.0], shape=(1, 1, 2, 1))
    return strategy.run(lambda: layer(probe, training=True))


draws = [strategy.experimental_local_results(draw())[0] for _ in range(100)]
# Dropping leaves nothing of the stronger one.
seen["dropped"] = [bool(each.numpy()[0, 0, 1, 0] == 0.0) for each in draws]

network = Network(
    lambda images, numbers: (tf.cast(images[:, 0, 0], "float32"), numbers), 3, 1
)
images = np.arange(15, dtype=np.uint8).reshape(5, 1, 1, 3)
found, numbers = replicated(network, strategy).localize(images, np.arange(5))
seen["gathered"] = [found.numpy().tolist(), numbers.numpy().tolist()]

with strategy.scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
data = tf.data.Dataset.from_tensors((tf.zeros((4, 4)), tf.zeros((4, 1))))
try:
    model.fit(data.repeat(2), verbose=0)
    seen["fit"] = "works"
except ValueError as error:
    seen["fit"] = str(error)[:60]

print(json.dumps(seen), flush=True)
barrier(strategy)
# TensorFlow's server may hold up the interpreter's own end.
os._exit(0)
