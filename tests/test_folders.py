"""Folders are replaced as a whole, or left as they were."""

import os
import signal
import subprocess
import sys
import time

import pytest

from adl_tf.errors import AdlTfError
from adl_tf.folders import replaced_whole


def write(folder, text):
    with replaced_whole(str(folder)) as scratch:
        for name in "ab":
            with open(os.path.join(scratch, name), "w") as file:
                file.write(text)


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_new_and_replaced(tmp_path):
    folder = tmp_path / "deep" / "out"
    for text in ("first", "second"):
        write(folder, text)
        assert content(folder) == {"a": text, "b": text}
        assert os.listdir(tmp_path / "deep") == ["out"]


def test_an_empty_folder_and_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "real") == {"a": "text", "b": "text"}


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyError("x")])
def test_a_failure_leaves_what_was_there(tmp_path, error):
    folder = tmp_path / "out"
    write(folder, "before")
    raised = AdlTfError if isinstance(error, OSError) else KeyError
    with pytest.raises(raised) as caught, replaced_whole(str(folder)) as part:
        open(os.path.join(part, "a"), "w").close()
        raise error
    if raised is AdlTfError:
        assert "out cannot be written: No space left" in str(caught.value)
    assert content(folder) == {"a": "before", "b": "before"}
    assert os.listdir(tmp_path) == ["out"]


def test_two_writers_do_not_mix(tmp_path):
    folder = tmp_path / "out"
    with replaced_whole(str(folder)) as first:
        with replaced_whole(str(folder)) as second:
            assert first != second and os.path.isdir(first)
            open(os.path.join(second, "second"), "w").close()
        assert os.listdir(folder) == ["second"]
        open(os.path.join(first, "first"), "w").close()
    assert os.listdir(folder) == ["first"]
    assert os.listdir(tmp_path) == ["out"]


ENDLESS = """
import sys
from tests.test_folders import write
import pathlib
while True:
    for text in ("x" * 100, "y" * 100):
        write(pathlib.Path(sys.argv[1]), text)
        print(text[0], flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path):
    folder = tmp_path / "out"
    write(folder, "x" * 100)
    for number in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, str(folder)],
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        time.sleep(0.0137 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        found = content(folder)
        assert set(found) == {"a", "b"}
        assert found["a"] == found["b"] in ("x" * 100, "y" * 100)
    write(folder, "last")
    assert os.listdir(tmp_path) == ["out"]
