"""Meeting of a cluster's processes before TensorFlow starts.

TensorFlow itself waits an hour for a worker that does not come and does not say
which. Each worker proves to the chief that it knows the secret of
`ADL_TF_CLUSTER_SECRET`, if there is one.
"""

import dataclasses
import errno
import hashlib
import hmac
import os
import secrets
import selectors
import socket
import threading
import time

from adl_tf.errors import AdlTfError

SECRET = "ADL_TF_CLUSTER_SECRET"
# A line each. The chief greets with a number that is never used again, and a
# worker answers with its index and a proof. What else answers at a worker's
# address is not ours, such as TensorFlow's server in a process that has not yet
# noticed a loss.
_HELLO, _READY, _HERE, _GO = b"adl-tf ", b"ready?\n", b"here\n", b"go\n"
_MISSING, _REFUSED = b"missing ", b"refused\n"
_ANSWER_SECONDS = 5
_RETRY_SECONDS = 0.3
# A longer wait is announced.
_WORD_SECONDS = 5
# Visitors that have not yet said who they are. More send the first away.
_MOST_VISITORS = 100
_MOST_BYTES = 1000


def meet(cluster, timeout):
    """Waits until every worker of a cluster is there.

    The others report to the chief, which lets them go on together.

    Args:
        cluster: `Cluster`.
        timeout: How long to wait, in seconds.

    Raises:
        AdlTfError: If a worker did not come in time; it is named. Or if the
            chief has another secret.
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
    there = {}
    with _Reception(cluster, deadline) as reception:
        while absent := sorted(everyone - set(there)):
            left = deadline - time.monotonic()
            if left <= 0:
                numbers = ",".join(map(str, absent)).encode()
                _tell(there, _MISSING + numbers + b"\n")
                return absent
            # One that was started again takes the place of the first.
            there |= reception.workers(min(left, _ANSWER_SECONDS), everyone)
            if not everyone - set(there):
                there = {i: c for i, c in there.items() if _is_alive(c)}
        _tell(there, _GO)
    return []


@dataclasses.dataclass
class _Visitor:
    """A connection whose other end has not yet said who it is."""

    connection: socket.socket
    number: bytes
    line: bytes = b""


class _Reception:
    """The chief's server; visitors that are silent cost no time.

    Args:
        cluster: `Cluster`.
        deadline: When to give up listening, as of `time.monotonic`.
    """

    def __init__(self, cluster, deadline):
        self._visitors = {}
        self._selector = selectors.DefaultSelector()
        self._server = _listen(cluster, deadline)
        self._server.setblocking(False)
        self._selector.register(self._server, selectors.EVENT_READ)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for visitor in list(self._visitors.values()):
            self._let_go(visitor).close()
        self._selector.close()
        self._server.close()

    def workers(self, seconds, expected):
        """Waits for something to happen.

        Args:
            seconds: How long at most.
            expected: Set of the indices that may come.

        Returns:
            Dictionary from the index of each worker that came to its
            connection.
        """
        found = {}
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._server:
                self._welcome()
            elif key.fd in self._visitors:
                visitor = self._visitors[key.fd]
                index = self._listen_to(visitor)
                if index in expected:
                    found[index] = visitor.connection
                elif index is not None:
                    visitor.connection.close()
        return found

    def _welcome(self):
        try:
            connection, _ = self._server.accept()
        except OSError:  # It has left already.
            return
        connection.settimeout(_ANSWER_SECONDS)
        visitor = _Visitor(connection, secrets.token_hex(16).encode())
        if len(self._visitors) == _MOST_VISITORS:
            self._let_go(next(iter(self._visitors.values()))).close()
        self._visitors[connection.fileno()] = visitor
        self._selector.register(connection, selectors.EVENT_READ)
        _send(connection, _HELLO + visitor.number + b"\n")

    def _listen_to(self, visitor):
        """Reads from a visitor, whose line may come in several parts.

        Returns:
            Index of the worker once its proof is right; `None` for a stranger,
            or while its line is not complete.
        """
        try:
            received = visitor.connection.recv(_MOST_BYTES)
        except OSError:
            received = b""
        visitor.line += received
        if received and not visitor.line.endswith(b"\n"):
            if len(visitor.line) < _MOST_BYTES:
                return None
        self._let_go(visitor)
        index, _, proof = visitor.line.strip().partition(b" ")
        if index.isdigit() and len(index) < 10:
            if hmac.compare_digest(proof, _proof(visitor.number, index)):
                return int(index)
            _send(visitor.connection, _REFUSED)
        visitor.connection.close()
        return None

    def _let_go(self, visitor):
        del self._visitors[visitor.connection.fileno()]
        self._selector.unregister(visitor.connection)
        return visitor.connection


def _proof(number, index):
    """Proof that a worker of this index knows the secret."""
    secret = os.environ.get(SECRET, "").encode()
    digest = hmac.new(secret, number + b" " + index, hashlib.sha256)
    return digest.hexdigest().encode()


def _listen(cluster, deadline):
    """A server at a port that an earlier process may be about to leave."""
    host, port = cluster.endpoint(0)
    while True:
        try:
            return _server_at(host, port, cluster)
        except OSError as error:
            if time.monotonic() > deadline:
                raise AdlTfError(
                    f"{host}:{port} of TF_CONFIG cannot be listened at: "
                    f"{error.strerror}; is another training running here?"
                ) from error
        time.sleep(_RETRY_SECONDS)


def _server_at(host, port, cluster):
    """A server at the chief's address, and no other of this machine.

    Except where that would keep the others out: behind a translation of
    addresses, where the address is not this machine's; and where the machine's
    own name is a loopback address to itself, as on Debian.
    """
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError:  # A name that is not known here.
        return socket.create_server(("", port))
    others = {cluster.endpoint(i)[0] for i in range(len(cluster.addresses))}
    is_own_name = address[0].startswith("127.") and address[0] != host
    if is_own_name and host != "localhost" and len(others) > 1:
        return socket.create_server(("", port))
    try:
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        return socket.create_server(("", port))


def _is_alive(connection):
    return _send(connection, _READY) and _read_line(connection) == _HERE


def _tell(connections, line):
    for connection in connections.values():
        # One that cannot be reached ends by its own deadline, or TensorFlow's.
        _send(connection, line)
        connection.close()


def _send(connection, line):
    try:
        connection.sendall(line)
    except OSError:
        return False
    return True


def _report(cluster, deadline):
    """The part of the others; returns as `_receive`."""
    index = str(cluster.index).encode()
    while (left := deadline - time.monotonic()) > 0:
        try:
            # Names of machines that are not up yet fail here as well.
            with socket.create_connection(
                cluster.endpoint(0), _ANSWER_SECONDS
            ) as chief:
                number = _read_line(chief).removesuffix(b"\n")
                if number.startswith(_HELLO):
                    proof = _proof(number.removeprefix(_HELLO), index)
                    chief.sendall(index + b" " + proof + b"\n")
                    # The chief's own deadline may come a little later.
                    chief.settimeout(left + _ANSWER_SECONDS)
                    missing = _wait_for_go(chief, cluster)
                    if missing is not None:
                        return missing
        except OSError:
            pass
        time.sleep(_RETRY_SECONDS)
    return [0]


def _wait_for_go(chief, cluster):
    """Returns as `_receive`, or `None` if the chief is gone."""
    while line := _read_line(chief):
        if line == _READY:
            chief.sendall(_HERE)
        elif line == _GO:
            return []
        elif line == _REFUSED:
            raise AdlTfError(
                f"{cluster.name(0)} does not have the secret of this worker: "
                f"set {SECRET} to the same text on all machines"
            )
        elif line.startswith(_MISSING):
            numbers = line[len(_MISSING) :].split(b",")
            return [int(number) for number in numbers]
        else:
            break
    return None


def _read_line(connection):
    """A line of at most 1,000 bytes; empty if there is none."""
    line = b""
    try:
        while not line.endswith(b"\n") and len(line) < _MOST_BYTES:
            byte = connection.recv(1)
            if not byte:
                return b""
            line += byte
    except OSError:
        return b""
    return line
