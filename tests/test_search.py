"""Searches: the first trial, the others, interruptions, refusals."""

import csv
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import optuna
import pytest
from absl import flags

from adl_tf.errors import Diverged, UsageError
from adl_tf.locks import locked
from tests.in_process import call

FLAGFILE = pathlib.Path(__file__).parents[1] / "experiments" / "search"
TINY = (
    "--dataset=metadata",
    "--train_split=train-fit4",
    "--val_split=train-val4",
    "--backbone=small_cnn",
    "--weights=none",
    "--method=adl",
    "--input_size=32",
    "--batch_size=8",
    "--epochs=1",
    "--learning_rate=0.02",
    "--adl_positions=conv4_relu",
    "--vary=epochs=1..2",
    "--vary=learning_rate=1e-3..1e-1:log",
    "--vary=adl_positions=conv4_relu|conv3_relu,conv4_relu",
    "--vary=batch_size=4|8",
)


def rows(folder):
    with open(folder / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def search():
    """The command's module; some of its flags are also adl_tf.evaluate's."""
    names = ("vary", "trials", "val_split", "objective", "protocol")
    taken = {
        name: flags.FLAGS[name]
        for name in (*names, "output_dir")
        if name in flags.FLAGS
    }
    for name in taken:
        delattr(flags.FLAGS, name)
    yield importlib.import_module("adl_tf.search")
    for name in (*names, "output_dir"):
        delattr(flags.FLAGS, name)
    for name, flag in taken.items():
        flags.FLAGS[name] = flag
    del sys.modules["adl_tf.search"]


@pytest.fixture
def fake_runs(monkeypatch, search):
    """List of the parameters of the trials, which end at once.

    A trial is the better the closer its rate is to 0.01.
    """
    seen = []

    def run(values, settings, trial):
        seen.append(dict(trial.params))
        score = 100 - 1e3 * abs(trial.params["learning_rate"] - 0.01)
        return {name: score for name in search.METRICS}

    monkeypatch.setattr(search, "_run", run)
    return seen


def test_first_trial_is_the_flagfile_and_others_follow(
    tmp_path, search, fake_runs
):
    typed = (*TINY, f"--output_dir={tmp_path}")
    call(search, *typed, "--trials=3")
    assert len(fake_runs) == 3
    assert fake_runs[0] == {
        "epochs": 1,
        "learning_rate": 0.02,
        "adl_positions": "conv4_relu",
        "batch_size": "8",
    }
    for params in fake_runs[1:]:
        assert params["epochs"] in (1, 2)
        assert 1e-3 <= params["learning_rate"] <= 1e-1
    # Nothing is done twice, and more trials are added.
    call(search, *typed, "--trials=3")
    assert len(fake_runs) == 3
    call(search, *typed, "--trials=8")
    assert len(fake_runs) == 8
    listed = rows(tmp_path)
    scores = [float(row["top1_loc"]) for row in listed]
    assert len(scores) == 8 and scores == sorted(scores, reverse=True)
    best = (tmp_path / "best.cfg").read_text().splitlines()
    assert f"--learning_rate={listed[0]['learning_rate']}" == best[-3]
    assert "--backbone=small_cnn" in best
    table = (tmp_path / "trials.md").read_text().splitlines()
    assert len(table) == 2 + 8 and len({line.count("|") for line in table}) == 1
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")
    # The same search with the same seed elsewhere.
    other = tmp_path / "other"
    call(search, *TINY, f"--output_dir={other}", "--trials=8")
    assert fake_runs[8:] == fake_runs[:8]


def test_interrupted_trial_is_repeated_in_its_folder(
    tmp_path, search, monkeypatch
):
    folders, interrupt = [], [False, True, False, False]

    def run(values, settings, trial):
        folders.append((search._folder(trial), dict(trial.params)))
        if interrupt[len(folders) - 1]:
            raise KeyboardInterrupt
        return dict.fromkeys(search.METRICS, 50.0)

    monkeypatch.setattr(search, "_run", run)
    typed = (*TINY, f"--output_dir={tmp_path}", "--trials=3")
    with pytest.raises(KeyboardInterrupt):
        call(search, *typed)
    call(search, *typed)
    assert folders[1] == folders[2]
    assert len({folder for folder, _ in folders}) == 3
    assert len(rows(tmp_path)) == 3


def test_diverged_trials_count_and_are_never_the_best(
    tmp_path, search, monkeypatch
):
    count = []

    def run(values, settings, trial):
        count.append(trial)
        if len(count) != 2:
            raise Diverged("its loss became NaN or infinite")
        return dict.fromkeys(search.METRICS, 0.5)

    monkeypatch.setattr(search, "_run", run)
    call(search, *TINY, f"--output_dir={tmp_path}", "--trials=3")
    first, *others = rows(tmp_path)
    assert (first["folder"], first["top1_loc"]) == ("0001", "0.5")
    assert [row["top1_loc"] for row in others] == ["", ""]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("--vary=nonsense=1..2",), "a flag of adl_tf.train"),
        (("--vary=epochs",), "a flag of adl_tf.train"),
        (("--vary=weight_decay=1",), "LOW..HIGH, or values"),
        (("--vary=weight_decay=a..b",), "could not convert"),
        (("--vary=weight_decay=2..1",), "--vary=weight_decay=2..1: .*low"),
        (("--vary=schedule=cosine|slow",), "schedule=cosine.slow: .*step"),
        (("--vary=weight_decay=1..2",), "=0.0005 is not within its --vary"),
        (("--vary=schedule=step|step",), "=cosine is not within its --vary"),
        (("--val_split=train-fit4",), "must differ"),
        (("--val_split=",), "--val_split is needed"),
        (("--output_dir=",), "--output_dir is needed"),
    ],
)
def test_refusals(tmp_path, search, fake_runs, typed, expected):
    with pytest.raises(UsageError, match=expected):
        call(search, *TINY, f"--output_dir={tmp_path}", "--trials=1", *typed)
    assert not fake_runs


def test_another_search_is_not_continued(tmp_path, search, fake_runs):
    typed = (*TINY, f"--output_dir={tmp_path}")
    call(search, *typed, "--trials=1", "--data_dir=/somewhere")
    call(search, *typed, "--trials=2", "--data_dir=/elsewhere")
    for other in (
        "--seed=1",
        "--objective=top1_clas",
        "--vary=schedule=cosine|step",
    ):
        with pytest.raises(UsageError, match="search with other settings"):
            call(search, *typed, "--trials=3", other)
    assert len(fake_runs) == 2


def test_one_search_a_folder_at_a_time(tmp_path, search, fake_runs):
    typed = (*TINY, f"--output_dir={tmp_path}", "--trials=1")
    with locked(str(tmp_path), "--output_dir", "search.lock"):
        with pytest.raises(UsageError, match="is in use by process"):
            call(search, *typed)
    assert not fake_runs


@pytest.mark.parametrize("method", ["cam", "has", "adl"])
def test_searches_of_the_experiments(
    method, tmp_path, search, fake_runs, monkeypatch
):
    """Their flagfiles can be read, and their first trial is within."""
    monkeypatch.chdir(FLAGFILE.parents[1])
    call(
        search,
        f"--flagfile={FLAGFILE / f'mobilenet_v1_{method}.cfg'}",
        f"--flagfile={FLAGFILE / 'cub25.cfg'}",
        f"--output_dir={tmp_path}",
        "--trials=1",
    )
    (first,) = fake_runs
    assert (first["epochs"], first["learning_rate"]) == (12, 0.003)
    if method == "adl":
        # The paper's own values.
        assert (first["adl_gamma"], first["adl_drop_rate"]) == (0.95, 0.75)


@pytest.mark.slow
def test_killed_and_resumed(data_dir, tmp_path):
    """Real trials: the process and its training are killed in the second."""
    command = [
        sys.executable,
        "-m",
        "adl_tf.search",
        *TINY,
        f"--data_dir={data_dir}",
        f"--output_dir={tmp_path}",
        "--trials=2",
        "--strategy=one_device",
    ]
    process = subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    second = tmp_path / "0001" / "lock"
    deadline = time.monotonic() + 180
    while not second.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert [row["folder"] for row in rows(tmp_path)] == ["0000"]
    asked = (tmp_path / "0001" / "trial.cfg").read_text()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "0001" / "trial.cfg").read_text() == asked
    listed = {row["folder"]: row for row in rows(tmp_path)}
    assert set(listed) == {"0000", "0001"}
    assert listed["0000"]["learning_rate"] == "0.02"
    for folder, row in listed.items():
        metrics = json.loads((tmp_path / folder / "metrics.json").read_text())
        assert metrics["split"] == "train-val4"
        assert metrics["num_images"] == 8
        best = metrics["best_tau"]
        assert float(row["top1_loc"]) == best["top1_loc"]
        assert float(row["gt_known_loc"]) == best["gt_known_loc"]
        # Nothing but the validation images was scored.
        (name,) = (tmp_path / folder / "evaluations").glob("*.json")
        assert name.name == "adl_cvpr19-train-val4.json"
    assert (
        len(
            optuna.storages.JournalStorage(
                optuna.storages.journal.JournalFileBackend(
                    str(tmp_path / "trials.log")
                )
            ).get_all_studies()
        )
        == 1
    )
