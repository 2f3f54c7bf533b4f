"""A run to compare with, and trainings in processes of their own."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="session")
def undisturbed(shared_settings):
    """A run of two epochs of three steps, for tests that leave it alone."""
    from adl_tf.training.loop import train

    return train(shared_settings())


@pytest.fixture
def copied(undisturbed, settings):
    """Such a run of the test's own."""
    run = settings(num_classes=undisturbed.num_classes)
    shutil.copytree(undisturbed.workdir, run.workdir)
    return run


@pytest.fixture
def start_training():
    """Function that starts `python -m adl_tf.train`, or the like."""
    processes = []

    def start(
        run, cluster=None, index=0, program=("-m", "adl_tf.train"), **extra
    ):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **extra}
        if cluster:
            environment["TF_CONFIG"] = json.dumps(
                {
                    "cluster": {"worker": cluster},
                    "task": {"type": "worker", "index": index},
                }
            )
        # In a file, where a command takes those of other commands too.
        flagfile = pathlib.Path(f"{run.workdir}.cfg")
        flagfile.write_text(run.as_flagfile())
        process = subprocess.Popen(
            [
                sys.executable,
                *program,
                f"--flagfile={flagfile}",
                f"--workdir={run.workdir}",
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def free_addresses():
    """Two addresses of this machine at which nothing listens."""
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses
