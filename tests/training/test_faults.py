"""What goes wrong while training, and that the next start mends it."""

import errno
import os
import pathlib
import signal
import stat
import subprocess
import time

import numpy as np
import pytest

from adl_tf.errors import AdlTfError, DataError, UsageError
from adl_tf.locks import locked
from adl_tf.training import stopping
from adl_tf.training.loop import train
from adl_tf.training.stopping import Stopped
from adl_tf.training.trainer import Trainer
from adl_tf.workdir import checkpoints
from adl_tf.workdir.history import History
from adl_tf.workdir.trained import load_trained
from tests.runs import history_of, losses_of, weights_of


def assert_same_end(run, other):
    for first, second in zip(weights_of(run), weights_of(other)):
        np.testing.assert_allclose(first, second, atol=1e-6)
    np.testing.assert_allclose(losses_of(run), losses_of(other), atol=2e-6)


def steps_of(run):
    return sorted(os.listdir(os.path.join(run.workdir, "checkpoints")))


def signal_at(monkeypatch, done, number=signal.SIGTERM):
    """Sends a signal to this process in the middle of a step."""
    step = Trainer.step

    def step_and_signal(trainer, batch):
        result = step(trainer, batch)
        if int(trainer.optimizer.iterations.numpy()) == done:
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(Trainer, "step", step_and_signal)


@pytest.mark.parametrize(
    ("number", "done", "status"),
    [(signal.SIGTERM, 4, 143), (signal.SIGINT, 3, 130)],
)
def test_signal_saves(settings, undisturbed, monkeypatch, number, done, status):
    """In the middle of an epoch, and at its end."""
    run = settings()
    handler = signal.getsignal(number)
    with monkeypatch.context() as patch:
        signal_at(patch, done, number)
        with pytest.raises(Stopped, match=f"step {done} is saved") as caught:
            train(run)
    assert caught.value.status == status
    assert signal.getsignal(number) is handler
    assert steps_of(run)[-1] == f"{done:08d}"
    train(run)
    assert_same_end(run, undisturbed)


def test_step_that_takes_too_long(monkeypatch, capfd):
    left = []
    monkeypatch.setattr(stopping, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(stopping.os, "_exit", left.append)
    with stopping.Stopping() as asked:
        assert not asked.signal
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.signal == signal.SIGTERM
        time.sleep(0.5)
    assert left == [143]
    assert "stopped by SIGTERM in the middle of a step" in capfd.readouterr()[1]


def damage(run, step, name):
    path = pathlib.Path(run.workdir, "checkpoints", step, name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.weights.h5", "training.npz"])
def test_damaged_checkpoint_is_skipped(copied, capsys, name):
    weights = load_trained(copied).get_weights()
    damage(copied, "00000006", name)
    assert "00000003" in checkpoints.latest_weights(copied.workdir)
    capsys.readouterr()
    train(copied)
    output = capsys.readouterr()
    assert f"00000006 is damaged: {name} is not as it was" in output.err
    assert "going on from step 3" in output.out
    assert steps_of(copied) == ["00000003", "00000006", "00000006.damaged"]
    assert [row["step"] for row in history_of(copied)] == ["3", "6"]
    for first, second in zip(weights, load_trained(copied).get_weights()):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_all_checkpoints_damaged(copied):
    damage(copied, "00000003", "training.npz")
    pathlib.Path(
        copied.workdir, "checkpoints", "00000006", "model.weights.h5"
    ).unlink()
    with pytest.raises(DataError, match="all checkpoints in .* are damaged"):
        train(copied)
    assert steps_of(copied) == ["00000003", "00000006"]


def test_rows_of_steps_that_come_again(tmp_path):
    path = tmp_path / "history.csv"
    path.write_bytes(
        b"epoch,step,loss,accuracy,learning_rate\r\n"
        b"1,3,0.5,50.0,0.02\r\n2,6,0.25,75.0,0.01\r\n3,9,0.1"
    )
    history = History(str(tmp_path), 3)
    row = {"epoch": 2, "step": 6, "loss": 0.2, "accuracy": 80.0}
    row |= {"learning_rate": 0.01, "images_per_second": 9.0, "seconds": 1.0}
    row["input_wait"] = 2.0
    history.add(row)
    assert path.read_bytes() == (
        b"epoch,step,loss,accuracy,learning_rate\r\n"
        b"1,3,0.5,50.0,0.02\r\n2,6,0.2,80.0,0.01\r\n"
    )
    assert History(str(tmp_path), 6).seconds == 1.0


def test_disk_full_while_saving(settings, undisturbed, monkeypatch):
    run = settings()
    savez = np.savez

    def full(path, **arrays):
        if "00000006" in path:
            raise OSError(errno.ENOSPC, "No space left on device")
        savez(path, **arrays)

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(AdlTfError, match="No space left.*00000003"):
            train(run)
    assert steps_of(run) == ["00000003"]
    train(run)
    assert_same_end(run, undisturbed)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB: three checkpoints do not fit."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_small_disk(settings, undisturbed, small_disk):
    run = settings(workdir=str(small_disk / "run"))
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1024**2))
    with pytest.raises(AdlTfError, match="MB are free.*from .*00000003"):
        train(run)
    assert steps_of(run) == ["00000003"]
    filler.unlink()
    train(run)
    assert_same_end(run, undisturbed)


def test_disk_full_while_logging(
    settings, undisturbed, small_disk, monkeypatch
):
    run = settings(workdir=str(small_disk / "run"))
    filler = small_disk / "filler"
    save = checkpoints.save

    def save_and_fill(*arguments):
        save(*arguments)
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save", save_and_fill)
        with pytest.raises(AdlTfError, match="history.csv cannot be written"):
            train(run)
    assert steps_of(run) == ["00000003"]
    assert not list(small_disk.rglob("*.partial"))
    filler.unlink()
    train(run)
    assert_same_end(run, undisturbed)


def test_lock(settings):
    run = settings()
    with locked(run.workdir, f"--workdir={run.workdir}"):
        with pytest.raises(UsageError, match=f"process {os.getpid()} on"):
            train(run)
        assert os.listdir(run.workdir) == ["lock"]
    with locked(run.workdir, ""):
        pass


@pytest.mark.slow
def test_process_that_is_told_to_stop(
    settings, start_training, data_dir, tmp_path
):
    """With data that cannot be written to, in a strange place and time."""
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    before = {path: path.stat() for path in files}
    for path in (data_dir, *data_dir.rglob("*")):
        path.chmod(path.stat().st_mode & ~stat.S_IWUSR)
    run = settings(epochs=100_000, num_classes=2)
    try:
        process = start_training(
            run,
            LC_ALL="POSIX",
            PYTHONUTF8="0",
            PYTHONCOERCECLOCALE="0",
            TZ="Asia/Kathmandu",
        )
        first = pathlib.Path(run.workdir, "timing.csv")
        while not first.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        second = start_training(run)
        _, errors = second.communicate(timeout=300)
        assert second.returncode == 2
        assert errors.count("\n") == 1
        assert f"in use by process {process.pid} on" in errors
        told = time.monotonic()
        process.terminate()
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - told < 30
    finally:
        for path in (data_dir, *data_dir.rglob("*")):
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert process.returncode == 143
    assert errors.count("\n") == 1
    assert "stopped by SIGTERM" in errors and "goes on from there" in errors
    assert not any(name.endswith(".partial") for name in steps_of(run))
    for path, status in before.items():
        assert path.stat().st_mtime == status.st_mtime


def test_a_checkpoint_is_hashed_once(copied, monkeypatch):
    read = []
    hash_file = checkpoints._sum
    monkeypatch.setattr(
        checkpoints, "_sum", lambda path: read.append(path) or hash_file(path)
    )
    path = checkpoints.latest_weights(copied.workdir)
    assert len(read) == 2
    assert checkpoints.latest_weights(copied.workdir) == path
    assert checkpoints.latest_step(copied.workdir) == 6
    assert len(read) == 2
    with open(path, "ab") as file:
        file.write(b"x")
    assert checkpoints.latest_weights(copied.workdir) != path
    assert checkpoints.latest_step(copied.workdir) == 3
