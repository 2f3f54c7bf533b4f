"""Sums over an epoch, and when to read them from the device."""

import contextlib
import math
import time

import tensorflow as tf

from adl_tf.errors import AdlTfError
from adl_tf.training.strategy import agree, spans_workers

# Reading waits for the device, which then has no step to go on with. So it
# happens after this many steps, or about this many seconds if that is sooner.
READ_STEPS = 20
READ_SECONDS = 1.0


class NotFinite(AdlTfError):
    """The loss became NaN or infinite.

    Attributes:
        step: Number of steps before the one with this loss.
    """

    def __init__(self, loss, step):
        kind = "NaN" if math.isnan(loss) else "infinite"
        super().__init__(f"the loss became {kind} at step {step}")
        self.step = step


class Epoch:
    """Loss and correct predictions of an epoch, summed over its steps.

    Results of steps stay on the device until `read`.

    Args:
        step: Number of steps done.
        sums: Sums over those of them that belong to this epoch.

    Attributes:
        loss: Sum of the mean losses of the steps that were read.
        correct: Number of correct predictions in them.
        last_loss: Mean loss of the last of them, or `None`.
        waited: Seconds of waiting for images.
    """

    def __init__(self, step, sums=(0.0, 0)):
        self.loss, self.correct = sums
        self.last_loss = None
        self.waited = 0.0
        self._first = self._read = step
        self._started = time.monotonic()
        self._results = []

    @property
    def sums(self):
        """Loss and correct predictions, as checkpoints keep them."""
        return self.loss, self.correct

    @contextlib.contextmanager
    def waiting(self):
        """Measures the wait for images inside of it."""
        started = time.monotonic()
        yield
        self.waited += time.monotonic() - started

    def add(self, loss, correct):
        """Adds the results of a step, which may still be under way.

        Args:
            loss: Mean loss, a scalar tensor.
            correct: Number of correct predictions, a scalar tensor.
        """
        self._results.append((loss, correct))

    def read(self):
        """Waits for the device and sums what it has computed.

        Raises:
            NotFinite: If the loss of a step is NaN or infinite.
        """
        if not self._results:
            return
        losses, correct = (
            tf.stack(each).numpy() for each in zip(*self._results)
        )
        for loss in losses.tolist():
            if not math.isfinite(loss):
                raise NotFinite(loss, self._read)
            # One after the other, however many are read at once: the same
            # bits.
            self.loss += loss
            self._read += 1
        self.correct += int(correct.sum())
        self.last_loss = loss
        self._results.clear()

    def timing(self, batch_size):
        """How fast the steps since `step` were, for timing.csv.

        Args:
            batch_size: Images in a step.

        Returns:
            Dictionary with images a second, percent of the time spent on
            waiting for images, and seconds.
        """
        taken = time.monotonic() - self._started
        return {
            "images_per_second": (self._read - self._first)
            * batch_size
            / taken,
            "input_wait": 100 * self.waited / taken,
            "seconds": taken,
        }


class Readings:
    """Steps after which to read, the same for all workers of a cluster.

    Args:
        strategy: `tf.distribute.Strategy`.
        stopping: `Stopping`.
        step: Number of steps done.
    """

    def __init__(self, strategy, stopping, step):
        self._strategy = strategy
        self._stopping = stopping
        self._alone = not spans_workers(strategy)
        self._last, self._at = step, time.monotonic()
        self._next = step + 1

    def due(self, step):
        """Whether to read after this step.

        A process that trains alone reads at once when it has to stop. Workers
        of a cluster learn of each other's signals only when all read.

        Args:
            step: Number of steps done.
        """
        return step >= self._next or (self._alone and self._stopping.signal)

    def agree(self, step):
        """Decides with all workers whether to stop, and when to read next.

        Args:
            step: Number of steps done, the same in all workers.

        Returns:
            Whether a worker has received a signal to stop.
        """
        now = time.monotonic()
        pace = (step - self._last) / max(now - self._at, 1e-6)
        steps = int(max(min(pace * READ_SECONDS, READ_STEPS), 1))
        stop, steps = agree(self._strategy, self._stopping.signal, steps)
        self._last, self._at, self._next = step, now, step + steps
        return stop
