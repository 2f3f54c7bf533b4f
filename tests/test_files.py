"""Files that are written whole or not at all."""

import os
import subprocess
import sys

import pytest

from adl_tf.errors import AdlTfError
from adl_tf.files import remove_leftovers, write_whole, written_whole


def test_what_was_there_stays_until_the_end(tmp_path):
    path = str(tmp_path / "metrics.json")
    write_whole(path, "first")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as partial:
        with open(partial, "w") as file:
            file.write("sec")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["metrics.json"]
    with open(path) as file:
        assert file.read() == "first"


def test_two_writers_do_not_meet(tmp_path):
    path = str(tmp_path / "metrics.json")
    with written_whole(path) as partial:
        program = "import sys; from adl_tf.files import write_whole\n"
        program += f"write_whole({path!r}, 'other')"
        subprocess.run([sys.executable, "-c", program], check=True)
        assert os.path.dirname(partial) == str(tmp_path)
        with open(partial, "w") as file:
            file.write("mine")
    with open(path) as file:
        assert file.read() == "mine"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_leftovers_of_processes_that_are_gone(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in (
        f"a.json.{ended.pid}.partial",
        f"a.json.{os.getppid()}.partial",
        "thesis.partial",
        "notes.txt",
        f"{ended.pid}",
    ):
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(
        [
            f"a.json.{os.getppid()}.partial",
            "thesis.partial",
            "notes.txt",
            f"{ended.pid}",
        ]
    )


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "metrics.json").mkdir()
    with pytest.raises(AdlTfError, match="metrics.json cannot be written"):
        write_whole(str(tmp_path / "metrics.json"), "text")
    assert os.listdir(tmp_path) == ["metrics.json"]
