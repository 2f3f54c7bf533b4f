"""Tables from work directories and records: states, means, verdicts, files."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from adl_tf.errors import DataError
from experiments.comparison import differences, outcomes, verdict
from experiments.records import read_run
from experiments.table_runs import PROTOCOLS, TableRun, data_flagfile

ROOT = pathlib.Path(__file__).parents[2]
BIRDS = data_flagfile("synthetic")


def tables(*flags):
    return subprocess.run(
        [sys.executable, "-m", "experiments.tables", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def finished_row(finished_run):
    """Function that writes a run of a row with the flags of its flagfiles."""

    def write(runs_dir, row, right, overlaps, seed=0, **changes):
        run = TableRun(row, BIRDS, seed, str(runs_dir / "synthetic"))
        flags = {**run.flags, **changes.pop("flags", {})}
        finished_run(
            pathlib.Path(run.workdir),
            right,
            overlaps,
            seed,
            flags=flags,
            **changes,
        )
        return run

    return write


@pytest.fixture
def runs_dir(tmp_path, finished_row):
    """CAM with two seeds, ADL with one, on ten images."""
    folder = tmp_path / "runs"
    right = [True] * 8 + [False] * 2
    cam, adl = "small_cnn_cam", "small_cnn_adl"
    finished_row(folder, cam, right, [0.6] * 2 + [0.4] * 8)
    finished_row(folder, cam, right, [0.6] * 3 + [0.1] * 7, 1)
    finished_row(folder, adl, right, [0.6] * 7 + [0.4] * 3)
    return folder


def cells(text, *starts):
    """Cells after the first ones of the first such row of a table."""
    for line in text.splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if row[: len(starts)] == list(starts):
            return row[len(starts) :]
    raise AssertionError(starts)


def test_list_says_what_is_done(runs_dir, tmp_path):
    flags = (
        "--table=2",
        "--data=synthetic",
        f"--runs_dir={runs_dir}",
        "--seeds=0,1",
        f"--results_dir={tmp_path / 'results'}",
    )
    title, *lines = tables(*flags, "--list").stdout.splitlines()
    assert title.startswith("Table 2:") and title.endswith("; synthetic")
    assert lines[0].split() == "small_cnn_cam done (seed 0 1)".split()
    assert "small_cnn_adl    done (seed 0), not begun (seed 1)" == lines[1]
    assert lines[2].endswith("not begun (seed 0 1)")
    assert len(lines) == 5
    (line,) = tables(
        *flags, "--list", "--rows=small_cnn_adl"
    ).stdout.splitlines()[1:]
    assert line.startswith("small_cnn_adl ")


def test_table_of_runs_and_then_of_their_records(
    runs_dir, tmp_path, finished_row
):
    results = tmp_path / "results"
    flags = ("--table=2", "--data=synthetic", f"--results_dir={results}")
    result = tables(*flags, f"--runs_dir={runs_dir}")
    assert result.returncode == 0, result.stderr
    text = (results / "table2_synthetic.md").read_text()
    assert text in result.stdout
    for protocol in PROTOCOLS:
        assert f"## Protocol `{protocol}`, 10 test images" in text
    # GT-known Loc of 20 and 30 percent at two of the thresholds; the paper's
    # figures for a network without ADL.
    row = cells(text, "small_cnn", "no ADL")
    deviation = f"{np.std([20, 30], ddof=1):.1f}"
    best = f"25.0 ± {deviation}"
    assert row[:4] == ["80.0 ± 0.0", "0.0 ± 0.0", best, best]
    assert row[7:] == ["2", "12", "12.0", "67.55", "51.09", "34.41"]
    assert cells(text, "small_cnn", "conv4")[3] == "70.0"
    assert cells(text, "small_cnn", "+ conv3")[7] == "not run"
    assert "has a GT-known Loc of 57.5" in text
    claim = cells(text, "small_cnn: conv4 helps")
    assert claim[:2] == ["Top-1 Loc", "+7.32"]
    assert claim[2].endswith("**within noise**")
    assert claim[4].startswith("+50.0 (") and claim[4].endswith("**held**")
    assert cells(text, "small_cnn: + conv3 helps")[5] == "not run"
    assert len(pd.read_csv(results / "table2_synthetic.csv")) == 3 * 2 * 3
    assert "\\toprule" in (results / "table2_synthetic.tex").read_text()
    # From the records alone, the same table; nothing is trained.
    elsewhere = f"--runs_dir={tmp_path / 'other'}"
    result = tables(*flags, elsewhere)
    assert (results / "table2_synthetic.md").read_text() == text
    assert "==" not in result.stdout
    listed = tables(*flags, elsewhere, "--seeds=0", "--list").stdout
    assert "small_cnn_adl    recorded (seed 0)" in listed.splitlines()
    # A row that is run elsewhere takes its place, and is still compared.
    finished_row(
        tmp_path / "other",
        "small_cnn_adl",
        [True] * 10,
        [0.6] * 9 + [0.4],
    )
    tables(*flags, elsewhere)
    text = (results / "table2_synthetic.md").read_text()
    assert cells(text, "small_cnn", "no ADL")[3] == best
    assert cells(text, "small_cnn", "conv4")[3] == "90.0"
    claim = cells(text, "small_cnn: conv4 helps")
    assert claim[4].startswith("+70.0 (")


def test_records_of_other_flags_are_refused(tmp_path, finished_row):
    runs_dir = tmp_path / "runs"
    row = "small_cnn_cam", [True] * 4, [0.6] * 4
    # Written otherwise, and the same number.
    same = {"weight_decay": "0.0005"}
    run = finished_row(runs_dir, *row, flags=same)
    run.check_flags(read_run(run.workdir, PROTOCOLS))
    other = {"learning_rate": "0.1"}
    run = finished_row(runs_dir, *row, flags=other)
    with pytest.raises(DataError, match="--learning_rate=0.1, .* have 0.03"):
        run.check_flags(read_run(run.workdir, PROTOCOLS))
    result = tables(
        "--table=3",
        "--data=synthetic",
        f"--runs_dir={runs_dir}",
        f"--results_dir={tmp_path / 'results'}",
    )
    assert result.returncode == 1
    assert "--learning_rate=0.1" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        # Right on all of 40 images against none, in both seeds.
        ([1.0, 1.0], [0.0, 0.0], "held"),
        ([0.0, 0.0], [1.0, 1.0], "not held"),
        # The mean is clear, and the seeds disagree.
        ([1.0, 0.0], [0.0, 0.1], "within noise"),
        # The seeds agree, and a single image makes the difference.
        ([0.025, 0.025], [0.0, 0.0], "within noise"),
    ],
)
def test_verdict(above, below, expected):
    def runs(shares):
        return [{"hit": np.arange(40) < 40 * share} for share in shares]

    found = differences(runs(below), runs(above))["hit"]
    seeds = [100 * (a - b) for a, b in zip(above, below)]
    assert verdict(found, seeds) == expected
    mean, low, high = found
    assert mean == pytest.approx(np.mean(seeds)) and low <= mean <= high


def test_intervals_are_those_of_the_binomial_distribution():
    """Of independent images the mean's deviation is known: s / sqrt(n)."""
    hits = np.random.default_rng(1).random(400) < 0.3
    mean, low, high = differences([{"hit": hits & False}], [{"hit": hits}])[
        "hit"
    ]
    deviation = 100 * hits.std() / np.sqrt(400)
    assert low == pytest.approx(mean - 1.96 * deviation, abs=0.3)
    assert high == pytest.approx(mean + 1.96 * deviation, abs=0.3)


def test_outcomes_of_a_run(runs_dir):
    run = TableRun("small_cnn_adl", BIRDS, 0, str(runs_dir / "synthetic"))
    found = outcomes(read_run(run.workdir, PROTOCOLS).evaluations["adl_cvpr19"])
    assert found["top1_clas", "best_tau"].tolist() == [1] * 8 + [0] * 2
    assert found["gt_known_loc", "best_tau"].tolist() == [1] * 7 + [0] * 3
    assert not found["top1_loc", "fixed_tau"].any()


def test_a_run_is_trained_to_its_end_and_scored(
    tmp_path, finished_row, monkeypatch
):
    calls = []

    def call(command):
        calls.append(command[2:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", call)
    run = TableRun("small_cnn_cam", BIRDS, 3, str(tmp_path / "synthetic"))
    assert run.state == "not begun"
    run.do(["--data_dir=birds"], "train-val10")
    (train, *train_flags), *scored = calls
    assert train == "adl_tf.train"
    assert [os.path.basename(flag) for flag in train_flags[:2]] == [
        "small_cnn_cam.cfg",
        "synthetic.cfg",
    ]
    assert {"--seed=3", "--data_dir=birds"} < set(train_flags)
    assert scored == [
        [
            "adl_tf.evaluate",
            f"--workdir={run.workdir}",
            f"--protocol={protocol}",
            "--val_split=train-val10",
        ]
        for protocol in PROTOCOLS
    ]
    row = "small_cnn_cam", [True], [1.0], 3
    finished_row(tmp_path, *row, epochs=5, protocols=PROTOCOLS[:1])
    assert run.state == "epoch 5 of 12"
    finished_row(tmp_path, *row, protocols=PROTOCOLS[:1])
    assert run.state == "to score"
    finished_row(tmp_path, *row)
    assert run.state == "done"

    monkeypatch.setattr(
        subprocess, "run", lambda c: subprocess.CompletedProcess(c, 1)
    )
    with pytest.raises(DataError, match="adl_tf.evaluate failed"):
        run.do([], None)


def test_one_line_for_what_is_wrong(tmp_path):
    for flags, expected in (
        (("--rows=vgg_gap_cam", "--data=synthetic"), "has no row"),
        (("--seeds=x",), "whole numbers"),
        (("--rows=vgg_gap_cam",), "needs --data_dir"),
        (("--data=cub26",), "there is no flagfile"),
        # Before anything else is looked at.
        (("--data_dir=/nowhere", "--list", "--seeds=x"), "/nowhere"),
    ):
        result = tables(f"--runs_dir={tmp_path}", *flags)
        assert result.returncode in (1, 2), result.stderr
        assert expected in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_data_of_ones_own(tmp_path):
    path = tmp_path / "beetles.cfg"
    path.write_text("# Beetles.\n--dataset=metadata\n--epochs=3\n")
    result = tables("--table=3", f"--data={path}", "--list")
    title, first, *_ = result.stdout.splitlines()
    assert title.endswith("; beetles")
    assert first.split() == "vgg_gap_cam not begun (seed 0 1 2)".split()


def test_rows_say_which_weight_file_they_need(tmp_path):
    result = tables(
        "--table=3", "--data=cub", "--list", f"--runs_dir={tmp_path}"
    )
    assert "needs ImageNet-ResNet50-SE.npz (seed 0 1 2)" in result.stdout


def test_help_shows_defaults_as_they_are_written():
    text = tables("--help").stdout
    assert "--seeds [0,1,2]" in text
    # And no path of the machine.
    assert str(ROOT) not in text
