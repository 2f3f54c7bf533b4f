"""Localisation accuracy by hand (spec E.1.11)."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from adl_tf.localization.metrics import localization_metrics
from adl_tf.localization.protocols import PROTOCOLS

THREE_THRESHOLDS = dataclasses.replace(
    PROTOCOLS["adl_cvpr19"],
    thresholds=(0.1, 0.1, 3),
    fixed_threshold=0.2,
    min_iou=0.5,
)

# Five images at thresholds 0.1, 0.2, 0.3; exactly 0.5 counts.
OVERLAPS = np.array(
    [
        [0.6, 0.5, 0.4],
        [0.9, 0.1, 0.4],
        [0.5, 0.2, 0.7],
        [0.1, 0.8, 0.499],
        [0.7, 0.4, 0.3],
    ]
)
CORRECT = np.array([True, False, False, True, False])
CORRECT_TOP5 = np.array([True, True, False, True, False])


def test_by_hand():
    found = localization_metrics(
        OVERLAPS, CORRECT, CORRECT_TOP5, THREE_THRESHOLDS
    )
    assert found == {
        "top1_clas": pytest.approx(40),
        "top5_clas": pytest.approx(60),
        "fixed_tau": {
            "tau": pytest.approx(0.2),
            "gt_known_loc": pytest.approx(40),
            "top1_loc": pytest.approx(40),
            "top5_loc": pytest.approx(40),
        },
        "best_tau": {
            "tau": pytest.approx(0.1),
            "gt_known_loc": pytest.approx(80),
            "top1_loc": pytest.approx(20),
            "top5_loc": pytest.approx(40),
            "oracle": True,
        },
        "curve": {
            "tau": pytest.approx([0.1, 0.2, 0.3]),
            "gt_known_loc": pytest.approx([80, 40, 20]),
            "top1_loc": pytest.approx([20, 40, 0]),
        },
        "val_tau": None,
        "max_box_acc": None,
        "max_box_acc_v2": None,
        "pxap": None,
    }


def test_required_overlap_is_the_protocols():
    strict = dataclasses.replace(THREE_THRESHOLDS, min_iou=0.7)
    found = localization_metrics(OVERLAPS, CORRECT, CORRECT_TOP5, strict)
    assert found["curve"]["gt_known_loc"] == pytest.approx([40, 20, 20])


def test_fixed_threshold_is_the_nearest_and_the_best_any():
    # 0.2 is the fourth of the 19 thresholds; all images are right at 0.9.
    overlaps = np.zeros((4, 19))
    overlaps[0, 3] = 1
    overlaps[:, 17] = 1
    right = np.array([True, True, True, False])
    found = localization_metrics(
        overlaps, right, right, PROTOCOLS["adl_cvpr19"]
    )
    assert found["fixed_tau"]["tau"] == pytest.approx(0.2)
    assert found["fixed_tau"]["gt_known_loc"] == pytest.approx(25)
    assert found["best_tau"]["tau"] == pytest.approx(0.9)
    assert found["best_tau"]["gt_known_loc"] == pytest.approx(100)
    assert found["best_tau"]["top1_loc"] == pytest.approx(75)
    assert "oracle" not in found["fixed_tau"]


def test_localization_loads_no_framework():
    modules = ["boxes", "heatmaps", "metrics", "protocols"]
    imports = ", ".join(f"adl_tf.localization.{name}" for name in modules)
    code = (
        f"import sys, {imports}\n"
        "print({m.partition('.')[0] for m in sys.modules}"
        " & {'tensorflow', 'keras', 'torch', 'jax', 'numpy'})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "{'numpy'}"
