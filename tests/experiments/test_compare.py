"""Two methods over seeds, from work directories whose figures are known."""

import json

import numpy as np
import pytest

from adl_tf.errors import UsageError
from experiments import compare
from tests.in_process import call


def test_means_and_difference(tmp_path, finished_run, monkeypatch, capsys):
    results = tmp_path / "results"
    monkeypatch.setattr(compare, "RESULTS", str(results))
    right = [True] * 8 + [False] * 2
    folders = {}
    for name, boxes in {
        "cam_s0": [0.6] * 2 + [0.4] * 8,
        "cam_s1": [0.6] * 4 + [0.1] * 6,
        "adl_s0": [0.7] * 7 + [0.4] * 3,
    }.items():
        folders[name] = tmp_path / name
        method, seed = name.split("_s")
        finished_run(folders[name], right, boxes, int(seed), method=method)
    call(
        compare,
        "--name=birds",
        "--data=Drawn birds.",
        f"--baseline={folders['cam_s0']},{folders['cam_s1']}",
        f"--workdirs={folders['adl_s0']}",
    )
    text = (results / "birds.md").read_text()
    assert text == capsys.readouterr().out.removesuffix("\n")
    assert "Drawn birds. 10 test pictures; protocol `adl_cvpr19`" in text
    rows = [line.split(" | ") for line in text.splitlines() if "CAM" in line]
    assert [row[3] for row in rows[:2]] == ["20.0", "40.0"]
    deviation = np.std([20, 40], ddof=1)
    assert rows[2][3] == f"**30.0** ± {deviation:.1f}"
    # One run has no deviation.
    assert text.count("mean ± sd") == 1 and "nan" not in text
    found = json.loads((results / "birds.json").read_text())["difference"]
    assert found["Top-1 Clas"] == {"mean": 0, "interval": [0, 0]}
    assert found["GT-known Loc"]["mean"] == pytest.approx(40)
    low, high = found["GT-known Loc"]["interval"]
    assert 0 < low < 40 < high
    assert (results / "birds" / "adl_s0" / "metrics.json").is_file()


def test_what_is_needed():
    with pytest.raises(UsageError, match="--baseline is needed"):
        call(compare, "--name=birds", "--workdirs=a")
