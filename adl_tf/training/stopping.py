"""SIGTERM and SIGINT: finish the step, save, say how to go on."""

import os
import signal
import sys
import threading

from adl_tf.errors import AdlTfError

# Docker waits 10 seconds (Kubernetes 30) before it kills a program.
GRACE_SECONDS = 8


class Stopped(AdlTfError):
    """Training was asked to stop; the status is 128 plus the signal."""

    def __init__(self, number, message):
        super().__init__(message)
        self.status = 128 + number


class Stopping:
    """Takes note of signals while a training runs (a context manager).

    The first signal is noted. If the program is still there `GRACE_SECONDS`
    later, or at a second signal, it leaves without saving: checkpoints are
    whole or not there, so nothing is lost but the steps since the last.

    Attributes:
        signal: Number of the signal that came, or 0.
    """

    def __init__(self):
        self.signal = 0
        self._timer = None
        self._former = {}

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        if self._timer:
            self._timer.cancel()
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number, _):
        if self.signal:
            self._leave()
        self.signal = number
        self._timer = threading.Timer(GRACE_SECONDS, self._leave)
        self._timer.daemon = True
        self._timer.start()

    def _leave(self):
        name = signal.Signals(self.signal).name
        # Not print: the signal may have come in the middle of one.
        os.write(
            sys.stderr.fileno(),
            f"\nadl_tf.train: stopped by {name} in the middle of a step; the "
            "same command goes on from the last checkpoint\n".encode(),
        )
        os._exit(128 + self.signal)
