"""What the tests share: the backend, two CPU devices, real data."""

import os
import pathlib

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def pytest_sessionstart():
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        return
    import tensorflow as tf

    # Two devices for replicas; TensorFlow refuses once an operation has run.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture(scope="session")
def test_data(pytestconfig):
    return _folder(pytestconfig, "ADL_TF_TEST_DATA")


@pytest.fixture(scope="session")
def test_weights(pytestconfig):
    return _folder(pytestconfig, "ADL_TF_TEST_WEIGHTS")


def _folder(pytestconfig, variable):
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    return pathlib.Path(pytestconfig.invocation_params.dir, value)
