"""Several processes that train together."""

import hmac
import json
import os
import re
import socket
import threading
import time

import numpy as np
import pytest

from adl_tf.errors import AdlTfError, UsageError
from adl_tf.training import meeting
from adl_tf.training.cluster import Cluster, cluster_from_environment
from adl_tf.training.meeting import meet
from adl_tf.workdir import checkpoints
from tests.runs import losses_of, weights_of

PLAIN_TRAIN = os.path.join(os.path.dirname(__file__), "plain_train.py")


def meet_all(addresses, indices, timeout):
    """What each of some workers of a cluster meets with."""
    results = {}

    def join(index):
        try:
            results[index] = meet(Cluster(addresses, index), timeout)
        except AdlTfError as error:
            results[index] = str(error)

    threads = [threading.Thread(target=join, args=(i,)) for i in indices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_all_come(free_addresses):
    assert meet_all(free_addresses, [0, 1], 20) == {0: None, 1: None}
    # And again, at the same addresses.
    assert meet_all(free_addresses, [0, 1], 20) == {0: None, 1: None}


def test_worker_that_does_not_come_is_named_everywhere(
    free_addresses, monkeypatch, capsys
):
    monkeypatch.setattr(meeting, "_WORD_SECONDS", 0.1)
    addresses = [*free_addresses, "127.0.0.1:9"]
    results = meet_all(addresses, [0, 1], 1.5)
    for index in (0, 1):
        assert (
            "worker 2 (127.0.0.1:9) did not come within 1.5 s"
            in (results[index])
        )
    # The chief alone prints.
    told = "waiting for the other workers, up to 1.5 s\n"
    assert capsys.readouterr().out == told


def test_chief_that_does_not_come_is_named(free_addresses):
    results = meet_all(free_addresses, [1], 1)
    assert f"worker 0 ({free_addresses[0]}) did not come" in results[1]


def call(address, answer=b"", seconds=5):
    """A connection to a server that is about to start.

    Args:
        address: `"host:port"`.
        answer: What is sent, or a function from the number in the chief's
            greeting to it.
        seconds: How long to try.

    Returns:
        Socket.
    """
    host, port = address.split(":")
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection((host, int(port)))
            break
        except OSError:
            assert time.monotonic() < deadline, "nothing listens"
            time.sleep(0.05)
    if callable(answer):
        answer = answer(connection.recv(100).split()[1])
    connection.sendall(answer)
    return connection


def proof_of(index, secret=b""):
    """What worker `index` answers, computed by hand."""

    def answer(number):
        text = number + b" %d" % index
        digest = hmac.new(secret, text, "sha256").hexdigest()
        return b"%d %s\n" % (index, digest.encode())

    return answer


def test_strangers_and_the_dead_do_not_count(free_addresses):
    """A scanner, a web browser, a worker that was killed while it waited."""

    def strangers():
        for answer in (
            b"",
            b"GET / HTTP/1.1\r\n",
            b"adl-tf 1\n",
            b"1 \xff\n",
            b"x" * 5000,
            proof_of(0),
            proof_of(7),
            proof_of(1, b"guessed"),
            proof_of(1),
        ):
            call(free_addresses[0], answer).close()

    thread = threading.Thread(target=strangers)
    thread.start()
    results = meet_all(free_addresses, [0], 4)
    thread.join()
    assert "worker 1" in results[0]


def test_silent_strangers_cost_no_time(free_addresses):
    silent = []
    # More than are kept, each of which would be waited for.
    thread = threading.Thread(
        target=lambda: silent.extend(
            call(free_addresses[0]) for _ in range(150)
        )
    )
    started = time.monotonic()
    results = {}
    chief = threading.Thread(
        target=lambda: results.update(meet_all(free_addresses, [0], 20))
    )
    chief.start()
    thread.start()
    thread.join()
    results.update(meet_all(free_addresses, [1], 20))
    chief.join()
    assert results == {0: None, 1: None}
    assert time.monotonic() - started < meeting._ANSWER_SECONDS
    for each in silent:
        each.close()


def test_a_worker_without_the_secret_is_refused(free_addresses, monkeypatch):
    """It says so at once; the chief goes on waiting."""
    monkeypatch.setenv(meeting.SECRET, "chief's")
    results = {}
    chief = threading.Thread(
        target=lambda: results.update(meet_all(free_addresses, [0], 20))
    )
    chief.start()
    refused = call(free_addresses[0], proof_of(1))
    assert refused.recv(100) == b"refused\n"
    refused.close()
    pretender = call(free_addresses[0], lambda number: b"1 " + number + b"\n")
    assert pretender.recv(100) == b"refused\n"
    pretender.close()
    assert meet_all(free_addresses, [1], 20) == {1: None}
    chief.join()
    assert results == {0: None}


def test_a_refusal_is_told_in_one_line(free_addresses):
    """By a chief whose number this worker cannot answer."""
    host, port = free_addresses[0].split(":")
    with socket.create_server((host, int(port))) as server:

        def refuse():
            connection = server.accept()[0]
            connection.sendall(b"adl-tf 1234\n")
            assert connection.recv(1000).startswith(b"1 ")
            connection.sendall(b"refused\n")
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        results = meet_all(free_addresses, [1], 20)
        thread.join()
    assert "set ADL_TF_CLUSTER_SECRET to the same text" in results[1]


def test_the_chief_listens_at_its_address_alone(free_addresses):
    results = {}
    chief = threading.Thread(
        target=lambda: results.update(meet_all(free_addresses, [0], 2))
    )
    chief.start()
    call(free_addresses[0]).close()
    port = int(free_addresses[0].split(":")[1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))
    chief.join()
    assert "worker 1" in results[0]


@pytest.mark.parametrize(
    ("host", "other"),
    [
        # Not an address of this machine (RFC 5737), and one not known.
        ("192.0.2.1", "192.0.2.2"),
        ("chief.invalid", "worker.invalid"),
    ],
)
def test_an_address_that_is_translated(free_addresses, host, other):
    port = int(free_addresses[0].split(":")[1])
    cluster = Cluster([f"{host}:{port}", f"{other}:{port}"], 0)
    with meeting._server_at(host, port, cluster) as server:
        assert server.getsockname()[0] == "0.0.0.0"


def test_cluster_from_environment(monkeypatch):
    def parsed(text):
        monkeypatch.setenv("TF_CONFIG", text)
        return cluster_from_environment()

    assert parsed("") is None
    assert parsed('{"cluster": {"worker": ["a:1"]}}') is None
    workers = '{"cluster": {"chief": ["c:1"], "worker": ["a:1", "b:2"]}, '
    cluster = parsed(workers + '"task": {"type": "worker", "index": 1}}')
    assert cluster == Cluster(["c:1", "a:1", "b:2"], 2)
    assert not cluster.is_chief
    assert parsed(workers + '"task": {"type": "chief", "index": 0}}').is_chief
    for wrong in (
        "{",
        "[]",
        workers + '"task": {}}',
        workers + '"task": {"type": "worker", "index": 2}}',
        workers + '"task": {"type": "worker", "index": -1}}',
        workers + '"task": {"type": "chief", "index": 1}}',
        workers + '"task": {"type": ["worker"], "index": 0}}',
        workers + '"task": {"type": "worker", "index": null}}',
        workers + '"task": {"type": "worker", "index": Infinity}}',
        workers + '"task": {"type": "worker", "index": true}}',
        workers + '"task": {"type": "worker", "index": 0.5}}',
        "[" * 100_000,
        *(
            f'{{"cluster": {{"worker": {addresses}}}, '
            '"task": {"type": "worker", "index": 0}}'
            for addresses in (
                '"a:1,b:2"',
                '["a:1", 2]',
                '["a:1", "a:1"]',
                '["a:1", "b"]',
                '["a:1", ":2"]',
                '["a:1", "b:0"]',
                '["a:1", "b:65536"]',
                '["a:1", "b:' + "9" * 5000 + '"]',
                '["a:1", "' + "b" * 70 + ':2"]',
                r'["a:1", "b\u0000:2"]',
                r'["a:1", "b\n:2"]',
                '["a:1", "b:\u0661"]',
                '{"a:1": 1, "b:2": 2}',
            )
        ),
        '{"cluster": {"chief": ["a:1", "b:1"], "worker": ["c:1"]}, '
        '"task": {"type": "worker", "index": 0}}',
        workers + '"task": {"type": "evaluator", "index": 0}}',
    ):
        with pytest.raises(UsageError, match="TF_CONFIG") as caught:
            parsed(wrong)
        assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


def finish(*processes):
    """The outputs of processes that have to end well."""
    outputs = [process.communicate(timeout=600) for process in processes]
    for process, (_, errors) in zip(processes, outputs):
        assert process.returncode == 0, errors
    return outputs


@pytest.mark.slow
@pytest.mark.cluster
def test_two_workers(settings, start_training, free_addresses, tmp_path):
    """They learn what one device does, whatever happens to one of them."""

    def run(name, **changes):
        return settings(
            method="cam",
            num_classes=2,
            epochs=3,
            deterministic=True,
            workdir=str(tmp_path / name),
            **changes,
        )

    def start(*arguments):
        return start_training(*arguments, program=[PLAIN_TRAIN])

    one = run("one")
    finish(start(one))

    two = run("two", strategy="auto")
    (printed, _), (silent, _) = finish(
        *(start(two, free_addresses, index) for index in (0, 1))
    )
    assert "replicas: 2" in printed
    assert not silent

    losses = [losses_of(each) for each in (one, two)]
    np.testing.assert_allclose(*losses, atol=1e-5)
    assert max(losses[0]) - min(losses[0]) > 0.01

    killed = run("killed", strategy="auto")
    chief, worker = (start(killed, free_addresses, index) for index in (0, 1))
    wait_for(os.path.join(killed.workdir, "checkpoints", "00000003"), chief)
    worker.kill()
    again = start(killed, free_addresses, 1)
    (_, errors), _ = finish(chief, again)
    assert "the connection to another worker is lost" in errors
    with open(os.path.join(two.workdir, "history.csv")) as expected:
        with open(os.path.join(killed.workdir, "history.csv")) as actual:
            assert actual.read() == expected.read()
    for first, second in zip(weights_of(two), weights_of(killed)):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
@pytest.mark.cluster
def test_a_signal_for_one_stops_all(settings, start_training, free_addresses):
    """At the same step, which is saved."""
    run = settings(num_classes=2, epochs=100_000, strategy="auto")
    workers = [start_training(run, free_addresses, index) for index in (0, 1)]
    wait_for(os.path.join(run.workdir, "history.csv"), workers[0])
    workers[1].terminate()
    said = []
    for worker in workers:
        _, errors = worker.communicate(timeout=60)
        assert worker.returncode == 143
        said += re.findall(r"stopped by SIGTERM; step (\d+) is saved", errors)
    assert len(said) == 2 and said[0] == said[1]
    assert checkpoints.latest_step(run.workdir) == int(said[0])


def wait_for(path, process):
    while not os.path.exists(path):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.cluster
def test_what_the_workers_see(settings, start_training, free_addresses):
    program = os.path.join(os.path.dirname(__file__), "cluster_worker.py")
    workers = [
        start_training(settings(), free_addresses, index, program=[program])
        for index in (0, 1)
    ]
    first, second = (json.loads(printed) for printed, _ in finish(*workers))
    # Every worker draws for itself, from one random state.
    dropped = np.array([first.pop("dropped"), second.pop("dropped")])
    assert 0.6 < dropped.mean() < 0.9
    assert 0.2 < (dropped[0] != dropped[1]).mean() < 0.55
    assert first == second
    assert first["replicas"] == 2
    assert first["step"] == 12
    assert first["state"] == [5, 9]
    assert first["weight"] == np.array([1.5, -2.0, 1e-30], "float32").tolist()
    assert first["votes"] == [[False, 3], [True, 4], [True, 5]]
    images = np.arange(15.0).reshape(5, 3).tolist()
    assert first["gathered"] == [images, [0, 1, 2, 3, 4]]
    # The reason for a loop of our own. When this fails, `Model.fit` works
    # under MultiWorkerMirroredStrategy: see WORKSPACE.md.
    assert "unsupported type" in first["fit"] or "PerReplica" in first["fit"]
