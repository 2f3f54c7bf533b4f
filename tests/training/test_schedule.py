"""The learning rate, step by step."""

import pytest

from adl_tf.training.schedule import learning_rate_schedule


def test_cosine():
    schedule = learning_rate_schedule("cosine", 0.2, 100)
    rates = [float(schedule(step)) for step in (0, 50, 100)]
    assert rates == pytest.approx([0.2, 0.1, 0.0], abs=1e-7)


def test_step_as_the_authors():
    """105 "epochs", a tenth after 30, 60, 90 and 100."""
    schedule = learning_rate_schedule("step", 1.0, 105)
    rates = [float(schedule(s)) for s in (29, 30, 59, 60, 89, 90, 99, 100)]
    expected = [1, 0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4]
    assert rates == pytest.approx(expected, rel=1e-4)


def test_constant():
    schedule = learning_rate_schedule("constant", 0.3, 105)
    rates = [float(schedule(step)) for step in range(0, 106, 5)]
    assert rates == pytest.approx([0.3] * len(rates), rel=1e-6)
