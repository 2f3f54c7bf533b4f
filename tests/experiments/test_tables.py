"""Tables from work directories: states, means, verdicts, files."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from experiments.measured import keep, read_run
from experiments.table_results import verdict
from experiments.table_runs import TableRun
from experiments.table_text import note_in_flagfiles

ROOT = pathlib.Path(__file__).parents[2]


def tables(*flags):
    return subprocess.run(
        [sys.executable, "-m", "experiments.tables", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def runs_dir(tmp_path, finished_run):
    """CAM with two seeds, ADL with one, on ten images."""
    folder = tmp_path / "runs" / "synthetic"
    right = [True] * 8 + [False] * 2
    low = [0.6] * 2 + [0.4] * 8
    high = [0.6] * 7 + [0.4] * 3
    finished_run(folder / "small_cnn_cam_s0", right, low)
    finished_run(folder / "small_cnn_cam_s1", right, [0.6] * 3 + [0.1] * 7, 1)
    finished_run(folder / "small_cnn_adl_s0", right, high, method="adl")
    return folder.parent


def test_list_says_what_is_done_and_how_long_the_rest_takes(runs_dir):
    result = tables(
        "--table=2",
        "--data=synthetic",
        f"--runs_dir={runs_dir}",
        "--seeds=0,1",
        "--list",
    )
    assert result.returncode == 0, result.stderr
    title, *lines = result.stdout.splitlines()
    assert title.startswith("Table 2:") and title.endswith("; synthetic")
    assert lines[0].split() == "small_cnn_cam done (seed 0 1)".split()
    # A finished run took 12 minutes, and there are one and two more.
    assert "done (seed 0), not begun (seed 1); about 12 min left" in lines[1]
    assert "not begun (seed 0 1); about 24 min left" in lines[2]
    assert lines[-1].startswith("in all about 84 min left: an estimate")


def last_seconds(path):
    return float(path.read_text().split(",")[-1])


def test_recorded_rows_stay(runs_dir, tmp_path, finished_run):
    """A table is extended by runs elsewhere, not begun anew."""
    flags = (
        "--table=2",
        "--data=synthetic",
        "--seeds=0",
        f"--results_dir={tmp_path / 'results'}",
    )
    assert not tables(*flags, "--rows=", f"--runs_dir={runs_dir}").returncode
    path = tmp_path / "results" / "table2_synthetic.md"
    first = path.read_text()
    assert "| | best centred square | 57.5 |" in first
    # Without the work directories nothing of it is lost.
    elsewhere = f"--runs_dir={tmp_path / 'other'}"
    result = tables(*flags, "--rows=", elsewhere)
    assert path.read_text() == first
    assert result.stdout.splitlines()[-1].endswith(
        "by --rows: small_cnn_cam, small_cnn_adl"
    )
    listed = tables(*flags, elsewhere, "--list").stdout.splitlines()
    assert "recorded (seed 0); about " in listed[1]
    assert listed[1].endswith("to run it again")
    assert "not begun (seed 0)" in listed[3]
    # A row that is run elsewhere takes its place, and is not compared with
    # a row whose images are not at hand.
    finished_run(
        tmp_path / "other" / "synthetic" / "small_cnn_adl_s0",
        [True] * 10,
        [0.6] * 9 + [0.4],
        method="adl",
    )
    assert not tables(*flags, "--rows=", elsewhere).returncode
    rows = [line for line in path.read_text().splitlines() if "cnn" in line]
    assert "| 20.0 (51.09) |" in rows[0] and "| 90.0 (57.99) |" in rows[1]
    assert rows[5].endswith("**not compared** |")
    assert rows[6].endswith("**not run** |")


def test_table_of_finished_runs(runs_dir, tmp_path):
    results = tmp_path / "results"
    before = (ROOT / "experiments/rows/small_cnn_cam.cfg").read_text()
    result = tables(
        "--table=2",
        "--data=synthetic",
        f"--runs_dir={runs_dir}",
        f"--results_dir={results}",
        "--rows=small_cnn_cam",
        "--seeds=0,1",
    )
    assert result.returncode == 0, result.stderr
    text = (results / "table2_synthetic.md").read_text()
    assert text in result.stdout
    rows = [line for line in text.splitlines() if "small_cnn" in line]
    # GT-known Loc of 20 and 30 percent.
    deviation = np.std([20, 30], ddof=1)
    assert f"25.0 ± {deviation:.1f} (51.09)" in rows[0]
    assert "80.0 ± 0.0 (67.55)" in rows[0]
    assert rows[0].rstrip(" |").endswith("| 2 | 12 | 12.0")
    assert "70.0 (57.99)" in rows[1]
    assert "not run" in rows[2]
    written = json.loads((results / "table2_synthetic.json").read_text())
    assert written["claims"][0]["verdict"] == "held"
    assert written["claims"][1]["verdict"] == "not run"
    kept = results / "synthetic" / "small_cnn_cam_s1" / "flags.cfg"
    assert "--weights=b.h5" in kept.read_text()
    assert "/somewhere" not in kept.read_text()
    after = (ROOT / "experiments/rows/small_cnn_cam.cfg").read_text()
    assert before == after


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        # Right on all of 40 images against none, in both seeds.
        ([1.0, 1.0], [0.0, 0.0], "held"),
        ([0.0, 0.0], [1.0, 1.0], "not held"),
        # The mean is clear, and the seeds disagree.
        ([1.0, 0.0], [0.0, 0.1], "within noise"),
        ([], [1.0], "not run"),
    ],
)
def test_verdict(above, below, expected):
    def runs(shares):
        return [
            {
                "row": {"seed": seed, "Top-1 Loc": 100 * share},
                "right": np.tile(np.arange(40) < 40 * share, (3, 1)).astype(
                    float
                ),
            }
            for seed, share in enumerate(shares)
        ]

    answer = verdict("Top-1 Loc", runs(above), runs(below))
    assert answer["verdict"] == expected
    if expected != "not run":
        change = 100 * (np.mean(above) - np.mean(below))
        assert answer["difference"] == pytest.approx(change, abs=1e-6)
        low, high = answer["interval"]
        assert low <= change <= high


def test_small_differences_are_noise():
    right = np.zeros((3, 50))
    better = right.copy()
    better[:, 0] = 1
    one, other = (
        [{"row": {"seed": 0, "Top-1 Loc": 100 * r[2].mean()}, "right": r}]
        for r in (better, right)
    )
    assert verdict("Top-1 Loc", one, other)["verdict"] == "within noise"


def test_a_run_is_trained_to_its_end_and_scored(
    tmp_path, finished_run, monkeypatch
):
    calls = []

    def call(command):
        calls.append(command[2:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", call)
    workdir = tmp_path / "run"
    run = TableRun("small_cnn_cam", "synthetic", 3, str(workdir))
    assert run.state() == "not begun"
    assert run.do(["--data_dir=birds"])
    (train, *train_flags), (evaluate, *evaluate_flags) = calls
    assert (train, evaluate) == ("adl_tf.train", "adl_tf.evaluate")
    assert [os.path.basename(flag) for flag in train_flags[:2]] == [
        "small_cnn_cam.cfg",
        "synthetic.cfg",
    ]
    assert {"--seed=3", "--data_dir=birds"} < set(train_flags)
    assert evaluate_flags == [f"--workdir={workdir}", "--protocol=adl_cvpr19"]
    finished_run(workdir, [True], [1.0], epochs=5)
    assert run.state() == "epoch 5 of 12"
    assert not run.is_done


def test_other_protocols_are_not_taken_for_the_papers(tmp_path, finished_run):
    workdir = tmp_path / "run"
    finished_run(workdir, [True, False], [1.0, 0.2])
    run = TableRun("small_cnn_cam", "synthetic", 0, str(workdir))
    assert run.state() == "done"
    # Of the run's evaluations the paper's is taken, whichever was the last.
    finished_run(
        workdir, [False, False], [0.2, 0.2], protocol="wsoleval_cvpr20"
    )
    last = json.loads((workdir / "metrics.json").read_text())
    assert last["protocol"] == "wsoleval_cvpr20"
    assert run.state() == "done"
    found = read_run(str(workdir), "adl_cvpr19")
    assert found["row"]["Top-1 Clas"] == 50
    keep(str(workdir), str(tmp_path / "kept"), "adl_cvpr19")
    kept = json.loads((tmp_path / "kept" / "metrics.json").read_text())
    assert kept == found["metrics"]
    assert found["right"].tolist() == [[1, 0], [1, 0], [1, 0]]
    (workdir / "evaluations" / "adl_cvpr19-test.npz").unlink()
    assert run.state() == "to score"


def test_one_line_for_what_is_wrong(tmp_path):
    for flags, expected in (
        (("--rows=vgg_gap_cam", "--data=synthetic"), "has no row"),
        (("--seeds=x",), "whole numbers"),
        (("--data=cub25",), "needs --data_dir"),
    ):
        result = tables(f"--runs_dir={tmp_path}", *flags)
        assert result.returncode == 2
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_rows_say_which_weight_file_they_need(tmp_path):
    result = tables(
        "--table=3", "--data=cub", "--list", f"--runs_dir={tmp_path}"
    )
    assert "needs ImageNet-ResNet50-SE.npz (seed 0 1 2)" in result.stdout


def test_notes_of_other_data_stay_in_the_flagfile(tmp_path):
    path = tmp_path / "row.cfg"
    path.write_text("# What it is.\n# On cub25, old\n# On cub, old\n--a=1\n")
    scores = {"GT-known Loc": 1, "Top-1 Clas": 2, "Top-1 Loc": 3}
    run = {"seed": 0, "minutes": 4, **scores}
    row = {"name": "row", "runs": [run], "flags": {"epochs": "5"}}
    note_in_flagfiles({"rows": [row]}, "cub", str(tmp_path))
    assert path.read_text().splitlines() == [
        "# What it is.",
        "# On cub, 5 epochs, seed 0: GT-known Loc 1.0, Top-1 Clas 2.0, "
        "Top-1 Loc 3.0; 4 minutes a run",
        "# On cub25, old",
        "--a=1",
    ]


def test_help_shows_defaults_as_they_are_written():
    text = tables("--help").stdout
    assert "--seeds [0,1,2]" in text
    # And no path of the machine.
    assert str(ROOT) not in text
