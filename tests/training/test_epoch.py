"""Reading from the device: how often, what it sums, and what it refuses."""

import math
import types

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.ops import _EagerTensorBase

from adl_tf.errors import AdlTfError
from adl_tf.training import epoch as epoch_module
from adl_tf.training.epoch import Epoch, NotFinite, Readings
from adl_tf.training.loop import train
from adl_tf.training.trainer import Trainer
from adl_tf.workdir import checkpoints
from tests.runs import history_of


@pytest.fixture
def reads(monkeypatch):
    """List of the host's reads of tensors, each a tensor's shape."""
    found = []
    numpy_of = _EagerTensorBase._numpy

    def counted(tensor):
        found.append(tuple(tensor.shape))
        return numpy_of(tensor)

    monkeypatch.setattr(_EagerTensorBase, "_numpy", counted)
    return found


def test_the_counter_counts(reads):
    tensor = tf.constant(1.0)
    float(tensor), int(tensor), bool(tensor), tensor.numpy()
    assert len(reads) == 4


@pytest.mark.parametrize("strategy", ["one_device", "mirrored"])
def test_no_read_between_steps_except_those_asked_for(
    settings, monkeypatch, reads, strategy
):
    """Two epochs of 12 steps: after 5 steps each, and at the epoch's end."""
    monkeypatch.setattr(epoch_module, "READ_STEPS", 5)
    monkeypatch.setattr(epoch_module, "READ_SECONDS", math.inf)
    run = settings(strategy=strategy, batch_size=2, epochs=2)
    step, seen = Trainer.step, []

    def noted(trainer, batch):
        seen.append(list(reads))
        reads.clear()
        result = step(trainer, batch)
        assert not reads
        return result

    monkeypatch.setattr(Trainer, "step", noted)
    train(run)
    assert len(seen) == 24
    # The first step may take long, and is read alone.
    sizes = {1: 1, 6: 5, 11: 5, 12: 1, 17: 5, 22: 5}
    for number in set(range(1, 24)) - {12}:
        expected = [(sizes[number],)] * 2 if number in sizes else []
        assert seen[number] == expected, number
    # At an epoch's end checkpoint and preview read as well.
    assert seen[12][:2] == [(1,)] * 2


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_loss_that_is_found_late(settings, monkeypatch, value):
    """It is named by its step, and nothing is saved after it."""
    run = settings(batch_size=2, epochs=3)
    step, steps = Trainer.step, []

    def spoilt(trainer, batch):
        loss, correct = step(trainer, batch)
        steps.append(loss)
        return (loss if len(steps) != 15 else loss * value), correct

    monkeypatch.setattr(Trainer, "step", spoilt)
    monkeypatch.setattr(epoch_module, "READ_SECONDS", math.inf)
    with pytest.raises(AdlTfError, match=r"the loss became .* at step 14"):
        train(run)
    assert 15 <= len(steps) <= 24
    assert checkpoints.latest_step(run.workdir) == 12
    assert [row["step"] for row in history_of(run)] == ["12"]


def test_sums_do_not_depend_on_when_they_are_read():
    random = np.random.default_rng(0)
    losses = random.uniform(0.1, 3, 50).astype(np.float32)
    expected = 0.1
    for loss in losses:
        expected += float(loss)
    for every in (1, 7, 50):
        epoch = Epoch(0, (0.1, 3))
        for step, loss in enumerate(losses):
            epoch.add(tf.constant(loss), tf.constant(2, tf.int64))
            if (step + 1) % every == 0:
                epoch.read()
        epoch.read()
        epoch.read()
        assert epoch.sums == (expected, 103)
        assert epoch.last_loss == losses[-1]


def test_the_first_loss_that_is_not_finite_is_named():
    epoch = Epoch(100)
    for loss in (1.0, math.inf, math.nan):
        epoch.add(tf.constant(loss), tf.constant(0, tf.int64))
    with pytest.raises(NotFinite, match="infinite at step 101"):
        epoch.read()


def test_readings_are_a_second_apart(monkeypatch):
    """Steps of 1/8 s, then of 3 s, then of a millisecond."""
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(epoch_module, "time", clock)
    stopping = types.SimpleNamespace(signal=0)
    readings = Readings(tf.distribute.get_strategy(), stopping, 0)
    due = []
    for step in range(1, 101):
        now[0] += 1 / 8 if step <= 30 else 3 if step <= 33 else 0.001
        if readings.due(step):
            due.append(step)
            assert not readings.agree(step)
    assert due == [1, 9, 17, 25, 33, 34, 54, 74, 94]
    stopping.signal = 15
    assert readings.due(101) and readings.agree(101)
