"""Two methods over seeds, from work directories whose figures are known."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

RIGHT = [True] * 8 + [False] * 2


def compare(*flags):
    """A process of its own: its flags are also those of adl_tf.evaluate."""
    return subprocess.run(
        [sys.executable, "-m", "experiments.compare", "--name=birds", *flags],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )


def test_means_and_difference(tmp_path, finished_run):
    results = tmp_path / "results"
    folders = {}
    for name, boxes in {
        "cam_s0": [0.6] * 2 + [0.4] * 8,
        "cam_s1": [0.6] * 4 + [0.1] * 6,
        "adl_s0": [0.7] * 7 + [0.4] * 3,
    }.items():
        folders[name] = tmp_path / name
        method, seed = name.split("_s")
        finished_run(folders[name], RIGHT, boxes, int(seed), method=method)
    flags = (
        "--data=Drawn birds.",
        f"--baseline={folders['cam_s0']},{folders['cam_s1']}",
        f"--workdirs={folders['adl_s0']}",
        f"--results_dir={results}",
    )
    printed = compare(*flags).stdout
    text = (results / "birds.md").read_text()
    assert printed.endswith(text + "\n")
    assert "Drawn birds. 10 test images; protocol `adl_cvpr19`" in text
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
    # All that is written is named, and what is replaced.
    named = {line[9:] for line in printed.splitlines() if "written: " in line}
    assert named == {str(p) for p in results.rglob("*") if p.is_file()}
    again = compare(*flags).stdout
    assert f"{results / 'birds.md'} (replaces an earlier result)" in again


def test_like_is_compared_with_like(tmp_path, finished_run):
    one, other = tmp_path / "one", tmp_path / "other"
    low, high = [0.2] * 10, [0.8] * 10
    finished_run(one, RIGHT, low)
    finished_run(one, RIGHT, high, protocol="wsoleval_cvpr20")
    finished_run(other, RIGHT, low)
    flags = (f"--baseline={one}", f"--results_dir={tmp_path / 'results'}")
    text = compare(*flags, f"--workdirs={other}").stdout
    # Not 80, which `one` has under the protocol that scored it last.
    assert "| one | 0 | 80.0 | 0.0 | 0.0 |" in text
    assert "| other | 0 | 80.0 | 0.0 | 0.0 |" in text
    assert "\n10 test images; protocol `adl_cvpr19`" in text
    assert "Caution: 1 seed a method and 10 test images are few" in text
    finished_run(tmp_path / "large", RIGHT, low, sizes=(128, 256))
    finished_run(tmp_path / "fewer", RIGHT[:9], low[:9])
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "one").symlink_to(one)
    for arguments, expected in (
        (
            (f"--workdirs={other}", "--protocol=wsoleval_cvpr20"),
            f"{other} was not evaluated under wsoleval_cvpr20, but "
            "adl_cvpr19-test: python -m adl_tf.evaluate",
        ),
        ((f"--workdirs={tmp_path / 'large'}",), "[128, 146] and [128, 256]"),
        ((f"--workdirs={tmp_path / 'fewer'}",), "10 and 9, 9 in common"),
        ((f"--workdirs={tmp_path / 'again/one'}",), "two folders are called"),
        ((), "--workdirs is needed"),
    ):
        result = compare(*flags, *arguments)
        assert result.returncode and expected in result.stderr
        assert len(result.stderr.splitlines()) == 1
