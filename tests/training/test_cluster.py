"""Several processes that train together."""

import json
import os
import re
import socket
import threading
import time

import numpy as np
import pytest

from adl_tf.errors import AdlTfError, UsageError
from adl_tf.training import cluster
from adl_tf.training.cluster import Cluster, cluster_from_environment, meet
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
    monkeypatch.setattr(cluster, "_WORD_SECONDS", 0.1)
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


def test_strangers_and_the_dead_do_not_count(free_addresses):
    """A scanner, a web browser, a worker that was killed while it waited."""

    def disturb(text):
        host, port = free_addresses[0].split(":")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                with socket.create_connection((host, int(port))) as connection:
                    connection.sendall(text)
                    return
            except OSError:
                time.sleep(0.05)

    def strangers():
        for text in (b"", b"GET / HTTP/1.1\r\n", b"adl-tf 7\n", b"adl-tf 1\n"):
            disturb(text)

    thread = threading.Thread(target=strangers)
    thread.start()
    results = meet_all(free_addresses, [0], 4)
    thread.join()
    assert "worker 1" in results[0]


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
        workers + '"task": {"type": "evaluator", "index": 0}}',
    ):
        with pytest.raises(UsageError, match="TF_CONFIG"):
            parsed(wrong)


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
