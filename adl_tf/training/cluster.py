"""The processes of a training on several machines, as `TF_CONFIG` has them."""

import dataclasses
import json
import os

from adl_tf.errors import AdlTfError, UsageError


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

    def endpoint(self, index):
        """Host, without the brackets of IPv6, and port of a worker."""
        return host_and_port(self.addresses[index])


def host_and_port(address):
    """The parts of an address.

    Args:
        address: `"host:port"`.

    Returns:
        Tuple of text and integer, or `None` if it is not of this form.
    """
    host, _, port = address.rpartition(":")
    try:
        host.encode("idna")
        is_host = bool(host) and host.isprintable() and " " not in host
    except UnicodeError:
        return None
    if not is_host or not (port.isascii() and port.isdigit()):
        return None
    if len(port) > 5 or not 0 < int(port) < 2**16:
        return None
    return host.strip("[]"), int(port)


def cluster_from_environment():
    """The cluster that `TF_CONFIG` describes.

    Returns:
        `Cluster`, or `None` unless there are several workers.

    Raises:
        UsageError: If `TF_CONFIG` is malformed.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return None
    try:
        config = json.loads(text)
        jobs = config.get("cluster", {})
        chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
        # The order in which TensorFlow counts replicas.
        addresses = [*_texts(chiefs), *_texts(workers)]
        if len(addresses) < 2:
            return None
        job, index = config["task"]["type"], _number(config["task"]["index"])
    # RecursionError: brackets in brackets.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            f"TF_CONFIG={_short(text)} is not of the form "
            '{"cluster": {"worker": ["host:port", ...]}, '
            '"task": {"type": "worker", "index": 0}}'
        ) from None
    if job not in ("chief", "worker"):
        raise UsageError(
            f"TF_CONFIG: a task of type '{_short(str(job))}' has no part in "
            "the training; start chief and worker only"
        )
    _check_addresses(addresses)
    if len(chiefs) > 1:
        raise UsageError(f"TF_CONFIG names {len(chiefs)} chiefs: name one")
    if not 0 <= index < len(jobs.get(job, [])):
        raise UsageError(
            f"TF_CONFIG: the task is {job} {index}, and the cluster has "
            f"{len(jobs.get(job, []))} of type '{job}', counted from 0"
        )
    if job == "worker":
        index += len(chiefs)
    return Cluster(addresses, index)


def _texts(addresses):
    if not isinstance(addresses, list):
        raise TypeError
    if not all(isinstance(address, str) for address in addresses):
        raise TypeError
    return addresses


def _number(index):
    if isinstance(index, bool) or not isinstance(index, (int, str)):
        raise TypeError
    return int(index)


def _check_addresses(addresses):
    for address in addresses:
        if host_and_port(address) is None:
            raise UsageError(
                f"TF_CONFIG: '{_short(address)}' is not of the form host:port"
            )
        if addresses.count(address) > 1:
            raise UsageError(f"TF_CONFIG names {_short(address)} twice")


def _short(text):
    """Text from outside in one line, not too long for a message."""
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:300]}..."
