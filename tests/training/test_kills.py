"""`kill -9` at any moment, the same command again: the same bits at the end.

`ADL_TF_TEST_KILLS` sets how often training is killed (2).
"""

import os
import pathlib
import random
import signal
import time

import pytest

KILLS = int(os.environ.get("ADL_TF_TEST_KILLS", 2))

# Seconds; saving takes several times as long.
POLL = 0.001


def checkpoints_of(run):
    folder = pathlib.Path(run.workdir, "checkpoints")
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def end_state(run):
    folder = pathlib.Path(run.workdir)
    newest = folder / "checkpoints" / checkpoints_of(run)[-1]
    return {
        path.name: path.read_bytes()
        for path in (
            folder / "history.csv",
            newest / "model.weights.h5",
            newest / "training.npz",
        )
    }


def finish(process):
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return printed


@pytest.mark.slow
def test_kills(settings, start_training, tmp_path):
    # Draws of ADL, batch statistics, and a shuffled stream of images that
    # does not end with an epoch: 24 of them, and steps of 7.
    def run(name):
        return settings(
            workdir=str(tmp_path / name),
            num_classes=2,
            epochs=10 * KILLS + 10,
            batch_size=7,
            deterministic=True,
        )

    undisturbed, killed = run("undisturbed"), run("killed")
    at_its_ease = start_training(undisturbed)
    schedule = random.Random(0)
    found = []
    for _ in range(KILLS):
        process = start_training(killed)
        known = set(checkpoints_of(killed))
        # In the middle of saving, or anywhere in the epochs that follow.
        saving = schedule.random() < 0.5
        delay = schedule.uniform(0, 0.02 if saving else 0.5)
        while process.poll() is None:
            new = set(checkpoints_of(killed)) - known
            if any(name.endswith(".partial") == saving for name in new):
                break
            time.sleep(POLL)
        time.sleep(delay)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        found.append(checkpoints_of(killed)[-1])
    assert "going on from step" in finish(start_training(killed))
    print(found)
    finish(at_its_ease)
    assert end_state(killed) == end_state(undisturbed)

    # And while it evaluates: as soon as the first file is there.
    scored = ("per_image.jsonl", "metrics.json")
    evaluate = ("-m", "adl_tf.evaluate")
    finish(start_training(undisturbed, program=evaluate))
    process = start_training(killed, program=evaluate)
    first = pathlib.Path(killed.workdir, scored[0])
    while process.poll() is None and not first.exists():
        time.sleep(POLL)
    process.kill()
    finish(start_training(killed, program=evaluate))
    for name in scored:
        expected = pathlib.Path(undisturbed.workdir, name).read_bytes()
        assert pathlib.Path(killed.workdir, name).read_bytes() == expected
