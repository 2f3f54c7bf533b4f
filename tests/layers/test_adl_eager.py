"""ADL called outside of compiled functions: its time, and memory."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
# Times of ADL and of Dropout in seconds; memory in MiB that 1,000 calls add.
MEASURE = """
import json, resource, statistics, time
import keras
from adl_tf.layers.adl import ADLLayer

features = keras.random.uniform((2, 7, 7, 64))
layers = [ADLLayer(seed=1), keras.layers.Dropout(0.5, seed=1)]

def seconds(layer):
    start = time.perf_counter()
    keras.ops.convert_to_numpy(layer(features, training=True))
    return time.perf_counter() - start

def most_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

times = [[seconds(layer) for layer in layers] for _ in range(200)][100:]
before = most_memory()
for _ in range(1000):
    seconds(layers[0])
medians = [statistics.median(column) for column in zip(*times)]
print(json.dumps([*medians, most_memory() - before]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_eager_calls_cost_no_more_than_thrice_dropout(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # Keras chooses its backend once a process.
    finished = subprocess.run(
        [sys.executable, "-W", "error:jax", "-c", MEASURE],
        cwd=REPOSITORY,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        check=True,
        text=True,
    )
    adl, dropout, growth = json.loads(finished.stdout.splitlines()[-1])
    assert adl < 3 * dropout
    # It was 1.8 MiB a call.
    assert growth < 30
