"""The threshold that an exported model gets."""

import hashlib
import json

import pytest

from adl_tf.errors import DataError
from adl_tf.exported.threshold import Threshold, evaluated_threshold


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (0.35, "best of 50 images of split test, under adl_cvpr19", 50)),
        (
            {"classes": "1-3"},
            (
                0.35,
                "best of 50 images of split test, classes 1-3, under "
                "adl_cvpr19",
                50,
            ),
        ),
        # Not chosen on what it is judged on.
        (
            {
                "val_split": "val",
                "val_num_images": 9,
                "val_tau": {"tau": 0.25},
            },
            (0.25, "best of 9 images of split val, under adl_cvpr19", 9),
        ),
        # As earlier versions wrote it.
        (
            {"val_split": "val", "val_tau": {"tau": 0.25}},
            (0.25, "best of the images of split val, under adl_cvpr19", None),
        ),
        # Scored on masks alone, which have no boxes.
        ({"best_tau": None}, (0.2, "without an evaluation to choose", None)),
    ],
)
def test_threshold_of_an_evaluation(tmp_path, changes, expected):
    metrics = {
        "protocol": "adl_cvpr19",
        "split": "test",
        "num_images": 50,
        "best_tau": {"tau": 0.35},
        "val_tau": None,
        **changes,
    }
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    value, protocol, *about, stale = evaluated_threshold(str(tmp_path))
    assert (value, *about) == expected
    assert protocol == "adl_cvpr19" and stale is None


def whole_checkpoint(folder):
    """Two files and their sums, as `sha256sum` writes them."""
    folder.mkdir(parents=True)
    lines = []
    for name in ("model.weights.h5", "training.npz"):
        (folder / name).write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        lines.append(f"{digest}  {name}\n")
    (folder / "sha256.txt").write_text("".join(lines))


def test_threshold_of_an_evaluation_before_the_training_went_on(tmp_path):
    metrics = {
        "protocol": "adl_cvpr19",
        "split": "test",
        "step": 23,
        "best_tau": {"tau": 0.35},
    }
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    whole_checkpoint(tmp_path / "checkpoints" / "00000023")
    assert not evaluated_threshold(str(tmp_path)).doubts()
    whole_checkpoint(tmp_path / "checkpoints" / "00000066")
    assert evaluated_threshold(str(tmp_path)).doubts() == [
        "the evaluation is of step 23, the weights are of step 66; run "
        "adl_tf.evaluate again"
    ]


def test_thresholds_to_be_wary_of():
    def doubts(value, num_images):
        threshold = Threshold(value, "adl_cvpr19", "", num_images)
        return [line.split()[0] for line in threshold.doubts()]

    assert doubts(0.2, 30) == doubts(0.2, None) == []
    assert doubts(0.2, 29) == ["29"]
    assert doubts(0.0, 9) == ["a", "9"]


@pytest.mark.parametrize(
    "tau", [7, -0.1, float("nan"), float("inf"), True, "x"]
)
def test_a_damaged_threshold_is_refused(tmp_path, tau):
    metrics = {
        "protocol": "adl_cvpr19",
        "split": "test",
        "num_images": 50,
        "best_tau": {"tau": tau},
    }
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match=r"metrics.json"):
        evaluated_threshold(str(tmp_path))
