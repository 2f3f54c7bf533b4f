"""Damaged small files of a work directory: read, or refused in a line."""

import random

import pytest

from adl_tf.errors import AdlTfError
from adl_tf.reporting.report import write_report
from adl_tf.workdir.reading import read_runs
from tests.attack.mutations import mutated
from tests.workdir.made import write

FILES = {
    "flags.cfg": "--dataset=cub\n--method=adl\n--backbone=mobilenet_v1\n",
    "environment.json": '{"revision": "1234567", "cores": 2, "devices": []}',
    "history.csv": (
        "epoch,step,loss,accuracy,learning_rate\n"
        "1,10,2.0,20.0,0.1\n2,20,1.0,60.0,0.05\n"
    ),
    "class_names.txt": "finch\nwren\n",
}
COUNT = 500


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_mutated_files(tmp_path, name):
    chosen = random.Random(0)
    folder = tmp_path / "run"
    folder.mkdir()
    write(folder)
    for each, text in FILES.items():
        (folder / each).write_text(text)
    content = FILES[name].encode()
    read = 0
    for number in range(COUNT):
        (folder / name).write_bytes(mutated(content, chosen))
        try:
            runs = read_runs([str(folder)])
            if number % 25 == 0:
                write_report(runs, str(tmp_path / "report"))
            read += 1
        except AdlTfError as error:
            assert "\n" not in str(error)
    assert read
