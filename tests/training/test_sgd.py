"""Momentum across a changing rate, against arithmetic in NumPy and PyTorch."""

import keras
import numpy as np
import pytest

from adl_tf.training.sgd import SGD


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """0.1, and a tenth of it from step 10."""

    def __call__(self, step):
        return keras.ops.where(step < 10, 0.1, 0.01)

    def get_config(self):
        return {}


def run(optimizer, gradients):
    variable = keras.Variable(np.ones(5, np.float32))
    optimizer.build([variable])
    values = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        values.append(keras.ops.convert_to_numpy(variable))
    return np.array(values)


@pytest.fixture
def gradients():
    random = np.random.default_rng(0)
    return random.normal(size=(30, 5)).astype(np.float32)


def test_thirty_steps_across_a_fall_of_the_rate(gradients):
    value, total, expected = np.ones(5), np.zeros(5), []
    for step, gradient in enumerate(gradients.astype(np.float64)):
        rate = 0.1 if step < 10 else 0.01
        total = 0.9 * total + gradient
        value = value - rate * (gradient + 0.9 * total)
        expected.append(value)
    np.testing.assert_allclose(
        run(SGD(Falling()), gradients), expected, atol=1e-6
    )


def test_as_pytorch(gradients):
    torch = pytest.importorskip("torch")
    value = torch.nn.Parameter(torch.ones(5))
    optimizer = torch.optim.SGD([value], 0.1, momentum=0.9, nesterov=True)
    expected = []
    for step, gradient in enumerate(gradients):
        optimizer.param_groups[0]["lr"] = 0.1 if step < 10 else 0.01
        value.grad = torch.from_numpy(gradient.copy())
        optimizer.step()
        expected.append(value.detach().numpy().copy())
    np.testing.assert_allclose(
        run(SGD(Falling()), gradients), expected, atol=1e-6
    )


def test_as_keras_while_the_rate_is_constant(gradients):
    stock = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)
    np.testing.assert_allclose(
        run(SGD(0.1), gradients), run(stock, gradients), atol=1e-6
    )


def test_its_config_builds_it_again():
    optimizer = SGD.from_config(SGD(0.1, momentum=0.8).get_config())
    assert optimizer.momentum == 0.8 and optimizer.nesterov
