"""Methods over seeds, from work directories whose results are known."""

import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
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


def cells(text, name):
    """Cells of the only row of a table in Markdown whose first cell it is."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
    ]
    (row,) = (row for row in rows if row[0] == name)
    return row


@pytest.fixture
def runs(tmp_path, finished_run):
    """Three methods: CAM and HaS with two seeds, ADL with one."""
    for name, boxes in {
        "cam_s0": [0.6] * 2 + [0.4] * 8,
        "cam_s1": [0.6] * 4 + [0.1] * 6,
        "has_s0": [0.6] * 1 + [0.4] * 9,
        "has_s1": [0.6] * 1 + [0.4] * 9,
        "adl_s0": [0.7] * 7 + [0.4] * 3,
    }.items():
        method, seed = name.split("_s")
        folder = tmp_path / "runs" / name
        finished_run(folder, RIGHT, boxes, int(seed), method=method)
    return tmp_path / "runs"


def test_any_number_of_methods_at_all_thresholds(runs, tmp_path):
    results = tmp_path / "results"
    result = compare(
        "--data=Drawn birds.",
        f"--baseline={runs}/cam_s*",
        f"--workdirs={runs}/adl_s0,{runs}/has_s*",
        f"--results_dir={results}",
    )
    assert result.returncode == 0, result.stderr
    text = (results / "birds.md").read_text()
    assert text in result.stdout
    assert "Drawn birds." in text
    assert "## Protocol `adl_cvpr19`, 10 test images" in text
    # Top-1 Clas, GT-known Loc and Top-1 Loc at fixed, val and best.
    deviation = np.std([20, 40], ddof=1)
    assert cells(text, "cam")[1:6] == [
        "80.0 ± 0.0",
        "0.0 ± 0.0",
        *2 * [f"30.0 ± {deviation:.1f}"],
        "0.0 ± 0.0",
    ]
    # One run has no deviation.
    assert cells(text, "adl")[1:5] == ["80.0", "0.0", "70.0", "70.0"]
    assert cells(text, "has")[8] == "2"
    claims = [line for line in text.splitlines() if "- cam" in line]
    assert len(claims) == 6
    # Seed 0, which both have: 70 against 20.
    assert "| +50.0 (+20.0 to +80.0) **held** " in claims[1]
    assert "1 seed a method and 10 test images are few" in text
    numbers = pd.read_csv(results / "birds.csv")
    assert len(numbers) == 5 * 3
    best = numbers[(numbers.threshold == "best") & (numbers.run == "cam_s1")]
    assert best.gt_known_loc.tolist() == [40] and best.seed.tolist() == [1]
    latex = (results / "birds.tex").read_text()
    assert "\\toprule" in latex and f"30.0 $\\pm$ {deviation:.1f}" in latex
    assert latex.isascii()
    # All that is written is named; records can be compared as runs can.
    named = [
        line[9:] for line in result.stdout.splitlines() if "written: " in line
    ]
    assert named[:3] == [
        str(results / f"birds.{e}") for e in ("md", "csv", "tex")
    ]
    assert {pathlib.Path(name).name for name in named[3:]} == {
        path.name for path in runs.iterdir()
    }
    again = compare(
        "--data=Drawn birds.",
        f"--baseline={results}/birds/cam_s*",
        f"--workdirs={results}/birds/adl_s0,{results}/birds/has_s*",
        f"--results_dir={tmp_path / 'again'}",
    )
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again" / "birds.md").read_text() == text


def test_like_is_compared_with_like(tmp_path, finished_run):
    one, other = tmp_path / "one", tmp_path / "other"
    low, high = [0.2] * 10, [0.8] * 10
    finished_run(one, RIGHT, low)
    finished_run(one, RIGHT, high, protocols=["wsoleval_cvpr20"])
    finished_run(other, RIGHT, low, method="adl", protocols=["adl_cvpr19"])
    flags = (f"--baseline={one}", f"--results_dir={tmp_path / 'results'}")
    text = compare(*flags, f"--workdirs={other}").stdout
    # Not 80, which `one` has under the protocol that scored it last.
    for name in ("one", "other"):
        assert cells(text, name)[1:5] == ["80.0", "0.0", "0.0", "0.0"]
    finished_run(tmp_path / "large", RIGHT, low, sizes=(128, 256))
    finished_run(tmp_path / "fewer", RIGHT[:9], low[:9])
    finished_run(tmp_path / "same", RIGHT, low)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "one").symlink_to(one)
    for arguments, expected in (
        (
            (f"--workdirs={other}", "--protocol=wsoleval_cvpr20"),
            f"{other} was not evaluated under wsoleval_cvpr20, but "
            "adl_cvpr19-test: python -m adl_tf.evaluate",
        ),
        ((f"--workdirs={tmp_path / 'same'}",), "the same flags and seed"),
        ((f"--workdirs={tmp_path / 'nowhere'}",), "there is no such folder"),
        ((f"--workdirs={tmp_path / 'again/one'}",), "two folders are called"),
        ((), "--workdirs is needed"),
    ):
        result = compare(*flags, *arguments)
        assert result.returncode and expected in result.stderr
        assert len(result.stderr.splitlines()) == 1
    flags = (f"--workdirs={other}", flags[1])
    for name, expected in (
        ("large", "[128, 256] and [128, 146]"),
        ("fewer", "9 and 10, 9 in common"),
    ):
        result = compare(*flags, f"--baseline={tmp_path / name}")
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_uncommitted_code_is_compared_but_not_recorded(
    runs, tmp_path, finished_run
):
    finished_run(
        runs / "mine", RIGHT, [0.6] * 10, method="spg", revision="a-dirty"
    )
    results = tmp_path / "results"
    result = compare(f"--workdirs={runs}/mine", f"--results_dir={results}")
    assert result.returncode == 0, result.stderr
    assert f"not recorded: {runs}/mine" in result.stdout
    assert "revision a-dirty" in (results / "birds.md").read_text()
    assert not (results / "birds").exists()
