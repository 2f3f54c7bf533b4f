"""The table that `adl_tf.evaluate` prints."""

import pytest

from adl_tf.evaluation.summary import summary

HEADER = (
    "50 images, protocol adl_cvpr19; in percent, in brackets 95 % intervals"
)


def row(tau, value, **more):
    return {
        "tau": tau,
        "top1_loc": value - 20,
        "top5_loc": value - 10,
        "gt_known_loc": value,
        **more,
    }


@pytest.fixture
def metrics():
    return {
        "num_images": 50,
        "protocol": "adl_cvpr19",
        "val_split": "val",
        "top1_clas": 70.04,
        "top5_clas": 90,
        "fixed_tau": row(0.2, 60),
        "val_tau": row(0.25, 61),
        "best_tau": row(0.15, 100, oracle=True),
        "max_box_acc": 62,
        "max_box_acc_v2": 55.55,
        "pxap": None,
        "baselines": {
            "whole_image": {"gt_known_loc": 34.2},
            "centre": {"gt_known_loc": 41.0, "tau": 0.3, "oracle": True},
        },
        "confidence_intervals": {
            "level": 95,
            "top1_clas": [65, 75],
            "top5_clas": [85, 95],
            "fixed_tau": {"gt_known_loc": [55, 65]},
            "val_tau": {},
            "best_tau": {"top1_loc": [75, 85], "gt_known_loc": [100, 100]},
            "max_box_acc": [57, 67],
        },
    }


def without_answers(metrics):
    metrics.update(top1_clas=None, top5_clas=None)
    for tau in ("fixed_tau", "val_tau", "best_tau"):
        if metrics[tau]:
            metrics[tau].update(top1_loc=None, top5_loc=None)


def without_boxes(metrics):
    for name in (
        "fixed_tau",
        "val_tau",
        "best_tau",
        "max_box_acc",
        "max_box_acc_v2",
        "baselines",
    ):
        metrics[name] = None
    metrics["pxap"] = 44.4


def test_everything(metrics):
    assert summary(metrics).splitlines() == [
        HEADER,
        "                                  "
        "Top-1              Top-5              GT-known",
        "Clas                              70.0 (65.0-75.0)   90.0 (85.0-95.0)",
        "Loc at 0.2 (fixed)                "
        "40.0               50.0               60.0 (55.0-65.0)",
        "Loc at 0.25 (chosen on val)       "
        "41.0               51.0               61.0",
        "Loc at 0.15 (best here: oracle)   "
        "80.0 (75.0-85.0)   90.0               100.0 (100.0-100.0)",
        "MaxBoxAcc 62.0 (57.0-67.0)   MaxBoxAccV2 55.5",
        "boxes that ignore the image reach a GT-known Loc of 34.2 (whole "
        "image), 41.0 (best centred square)",
    ]


def test_without_class_answers(metrics):
    without_answers(metrics)
    metrics.update(val_tau=None, val_split=None, baselines=None)
    assert summary(metrics).splitlines() == [
        HEADER,
        "                                  GT-known",
        "Loc at 0.2 (fixed)                60.0 (55.0-65.0)",
        "Loc at 0.15 (best here: oracle)   100.0 (100.0-100.0)",
        "MaxBoxAcc 62.0 (57.0-67.0)   MaxBoxAccV2 55.5",
    ]


def test_masks_alone(metrics):
    without_boxes(metrics)
    assert summary(metrics).splitlines() == [
        HEADER,
        "       Top-1              Top-5",
        "Clas   70.0 (65.0-75.0)   90.0 (85.0-95.0)",
        "PxAP 44.4",
    ]
    without_answers(metrics)
    assert summary(metrics).splitlines() == [HEADER, "PxAP 44.4"]


def test_columns_make_room(metrics):
    metrics |= {"val_split": "a_split_with_a_long_name", "val_num_images": 9}
    lines = summary(metrics).splitlines()
    place = lines[1].index("Top-1")
    assert lines[4][place - 3 :].startswith("   41.0   ")
    assert lines[4][: place - 3] == (
        "Loc at 0.25 (chosen on 9 images of a_split_with_a_long_name)"
    )


@pytest.mark.parametrize(
    ("of_model", "remark"),
    [(0.35, "exported"), (0.33, "nearest to the exported 0.33")],
)
def test_threshold_of_an_exported_model(metrics, of_model, remark):
    metrics["exported_tau"] = row(0.35, 59, of_model=of_model)
    metrics["confidence_intervals"]["exported_tau"] = {}
    lines = summary(metrics).splitlines()
    (line,) = [line for line in lines if "exported" in line]
    assert line.startswith(f"Loc at 0.35 ({remark})")
    assert line.endswith("59.0")
