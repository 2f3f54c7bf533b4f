"""The processes of a training on several machines, and how they meet.

They are described by `TF_CONFIG`, as everywhere in TensorFlow. TensorFlow
itself waits an hour for a worker that does not come and does not say which:
so they meet here first.
"""

import dataclasses
import json
import os
import socket
import threading
import time

from adl_tf.errors import AdlTfError, UsageError

# A line each; what else answers at a worker's address is not ours, such as
# TensorFlow's server in a process that has not yet noticed a loss.
_HELLO, _READY, _HERE, _GO = b"adl-tf ", b"ready?\n", b"here\n", b"go\n"
_MISSING = b"missing "
_ANSWER_SECONDS = 5
_RETRY_SECONDS = 0.3
# Waiting that is longer is told.
_WORD_SECONDS = 5


class WorkerLost(AdlTfError):
    """Another worker is gone; all have to start from the last checkpoint."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of one training.

    Attributes:
        addresses: List of `"host:port"`, one a worker. The first is the
            chief, which alone writes files and prints.
        index: Which of them this process is.
    """

    addresses: list[str]
    index: int

    @property
    def is_chief(self):
        return self.index == 0

    def name(self, index):
        return f"worker {index} ({self.addresses[index]})"


def cluster_from_environment():
    """The cluster that `TF_CONFIG` describes.

    Returns:
        `Cluster`, or `None` unless there are several workers.

    Raises:
        UsageError: If `TF_CONFIG` cannot be understood.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return None
    try:
        config = json.loads(text)
        jobs = config.get("cluster", {})
        # The order in which TensorFlow counts replicas.
        addresses = [*jobs.get("chief", []), *jobs.get("worker", [])]
        if len(addresses) < 2:
            return None
        job, index = config["task"]["type"], int(config["task"]["index"])
        jobs[job][index].rpartition(":")[2].encode("ascii")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise UsageError(
            f"TF_CONFIG={text} is not of the form "
            '{"cluster": {"worker": ["host:port", ...]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from None
    if job not in ("chief", "worker"):
        raise UsageError(
            f"TF_CONFIG: a task of type '{job}' has no part in the training; "
            "start chief and worker only"
        )
    if job == "worker":
        index += len(jobs.get("chief", []))
    return Cluster(addresses, index)


def meet(cluster, timeout):
    """Waits until every worker of a cluster is there.

    The others report to the chief, which lets them go on together.

    Args:
        cluster: `Cluster`.
        timeout: How long to wait, in seconds.

    Raises:
        AdlTfError: If a worker did not come in time; it is named.
    """
    deadline = time.monotonic() + timeout
    word = threading.Timer(
        _WORD_SECONDS,
        print,
        [f"waiting for the other workers, up to {timeout:g} s"],
        {"flush": True},
    )
    if cluster.is_chief:
        word.start()
        try:
            missing = _receive(cluster, deadline)
        finally:
            word.cancel()
    else:
        missing = _report(cluster, deadline)
    if missing:
        names = ", ".join(cluster.name(index) for index in missing)
        raise AdlTfError(
            f"{names} did not come within {timeout:g} s: start the same "
            "command there, look at its messages, or raise --startup_timeout"
        )


def _receive(cluster, deadline):
    """The chief's part; returns the indices of those that did not come."""
    everyone = set(range(1, len(cluster.addresses)))
    port = int(cluster.addresses[0].rpartition(":")[2])
    there = {}
    with _listen(port, deadline) as server:
        while everyone - set(there):
            left = deadline - time.monotonic()
            server.settimeout(max(left, 0.01))
            try:
                connection = server.accept()[0]
            except TimeoutError:
                missing = sorted(everyone - set(there))
                text = ",".join(str(index) for index in missing).encode()
                _tell(there, _MISSING + text + b"\n")
                return missing
            index = _index_of(connection)
            if index in everyone:
                # One that was started again takes the place of the first.
                there[index] = connection
            if not everyone - set(there):
                there = {i: c for i, c in there.items() if _is_alive(c)}
        _tell(there, _GO)
    return []


def _listen(port, deadline):
    """A server at a port that an earlier process may be about to leave."""
    while True:
        try:
            return socket.create_server(("", port))
        except OSError as error:
            if time.monotonic() > deadline:
                raise AdlTfError(
                    f"port {port} of TF_CONFIG cannot be listened at: "
                    f"{error.strerror}; is another training running here?"
                ) from error
        time.sleep(_RETRY_SECONDS)


def _index_of(connection):
    connection.settimeout(_ANSWER_SECONDS)
    line = _read_line(connection)
    if line.startswith(_HELLO) and line[len(_HELLO) :].strip().isdigit():
        return int(line[len(_HELLO) :])
    connection.close()
    return None


def _is_alive(connection):
    try:
        connection.sendall(_READY)
        return _read_line(connection) == _HERE
    except OSError:
        return False


def _tell(connections, line):
    for connection in connections.values():
        try:
            connection.sendall(line)
        except OSError:
            pass  # It is told by its own deadline, or by TensorFlow.
        connection.close()


def _report(cluster, deadline):
    """The part of the others; returns as `_receive`."""
    host, _, port = cluster.addresses[0].rpartition(":")
    hello = _HELLO + str(cluster.index).encode() + b"\n"
    while (left := deadline - time.monotonic()) > 0:
        try:
            # Names of machines that are not up yet fail here as well.
            address = (host.strip("[]"), int(port))
            with socket.create_connection(address, _ANSWER_SECONDS) as chief:
                chief.sendall(hello)
                # The chief's own deadline may come a little later.
                chief.settimeout(left + _ANSWER_SECONDS)
                while line := _read_line(chief):
                    if line == _READY:
                        chief.sendall(_HERE)
                    elif line == _GO:
                        return []
                    elif line.startswith(_MISSING):
                        numbers = line[len(_MISSING) :].split(b",")
                        return [int(number) for number in numbers]
                    else:
                        break
        except OSError:
            pass
        time.sleep(_RETRY_SECONDS)
    return [0]


def _read_line(connection):
    """A line of at most 1,000 bytes; empty if there is none."""
    line = b""
    try:
        while not line.endswith(b"\n") and len(line) < 1000:
            byte = connection.recv(1)
            if not byte:
                return b""
            line += byte
    except OSError:
        return b""
    return line
