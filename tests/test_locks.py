"""Folders that one process writes to at a time."""

import errno
import os

import pytest

from adl_tf import locks
from adl_tf.errors import UsageError
from adl_tf.locks import locked


def test_one_at_a_time(tmp_path):
    folder = tmp_path / "run"
    with locked(folder, "--workdir=run"):
        with (
            pytest.raises(
                UsageError,
                match=f"--workdir=run is in use by process {os.getpid()} on",
            ),
            locked(folder, "--workdir=run"),
        ):
            pass
        with locked(folder, "--workdir=run", "other"):
            pass
    with locked(folder, "--workdir=run"):
        assert str(os.getpid()) in (folder / "lock").read_text()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_without_locks_work_goes_on(tmp_path, monkeypatch, capsys, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locked(tmp_path, "--workdir=run"):
        pass
    assert "has no locks" in capsys.readouterr().err


def test_other_errors_are_not_hidden(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with pytest.raises(OSError, match="broken"), locked(tmp_path, ""):
        pass
