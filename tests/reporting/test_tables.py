import pytest

from adl_tf.reporting.tables import (
    below_the_middle,
    metric_groups,
    setting_rows,
    signed,
    stale,
)
from adl_tf.workdir.reading import Run


def metrics(box, best, interval=None):
    return {
        "top1_clas": 90.0,
        "fixed_tau": {"tau": 0.2, "gt_known_loc": box, "top1_loc": None},
        "val_tau": None,
        "best_tau": {"tau": best, "gt_known_loc": box + 5, "oracle": True},
        "pxap": None,
        "confidence_intervals": {"fixed_tau": {"gt_known_loc": interval}},
    }


def test_runs_stand_side_by_side():
    groups = dict(
        metric_groups([metrics(40.0, 0.1, [35, 45.04]), metrics(43.26, 0.15)])
    )
    assert list(groups) == [
        "Class",
        "Box, threshold fixed at 0.2",
        "Box, threshold best (oracle)",
    ]
    ((label, (first, second)),) = groups["Box, threshold fixed at 0.2"]
    assert label == "GT-known Loc"
    assert first == {"value": "40.0", "interval": "35.0–45.0", "difference": ""}
    assert second == {"value": "43.3", "interval": "", "difference": "+3.3"}
    label, cells = groups["Box, threshold best (oracle)"][0]
    assert label == "Threshold"
    assert [cell["value"] for cell in cells] == ["0.1", "0.15"]


def test_a_run_that_was_not_evaluated_stays_empty():
    groups = dict(metric_groups([None, metrics(40.0, 0.1)]))
    ((_, (first, second)),) = groups["Class"]
    assert first["value"] == ""
    # There is nothing to differ from.
    assert (second["value"], second["difference"]) == ("90.0", "")


def test_metrics_without_boxes():
    nothing = {"top1_clas": None, "fixed_tau": None, "pxap": 41.26}
    assert metric_groups([nothing]) == [
        (
            "Over all thresholds",
            [("PxAP", [{"value": "41.3", "interval": "", "difference": ""}])],
        )
    ]


@pytest.mark.parametrize(
    ("difference", "text"),
    [(1.26, "+1.3"), (-0.06, "−0.1"), (0.04, "0.0"), (-0.04, "0.0")],
)
def test_signs(difference, text):
    assert signed(difference) == text


def test_top_5_of_five_classes_is_left_out():
    one = {"top1_clas": 60.0, "top5_clas": 100.0} | {
        "fixed_tau": {"tau": 0.2, "top1_loc": 30.0, "top5_loc": 40.0}
    }
    for count, expected in ((5, 0), (6, 2), (None, 2)):
        labels = [
            label
            for _, rows in metric_groups([one], count)
            for label, _ in rows
        ]
        assert sum(label.startswith("Top-5") for label in labels) == expected
        assert sum(label.startswith("Top-1") for label in labels) == 2


def test_a_run_below_the_best_centred_square():
    worse = metrics(40.0, 0.1) | {"baselines": {"centre": {"gt_known_loc": 50}}}
    assert below_the_middle("cam", worse) == (
        "Even at its best threshold cam boxes fewer objects (45.0 %) than the "
        "best centred square (50.0 %), which is the same box in the middle of "
        "every image."
    )
    assert below_the_middle("cam", metrics(40.0, 0.1)) is None
    better = worse | {"best_tau": {"gt_known_loc": 50.0}}
    assert below_the_middle("cam", better) is None
    assert below_the_middle("cam", None) is None


def test_a_run_that_was_trained_on_since():
    history = [{"step": 22.0}, {"step": 66.0}]
    assert stale("cam", {"step": 23}, history) == (
        "cam was evaluated at step 23, and has been trained until step 66 "
        "since: run adl_tf.evaluate again."
    )
    for metrics_, rows in (
        ({"step": 66}, history),
        ({"step": 70}, history),  # stopped within an epoch
        ({}, history),
        ({"step": 23}, []),
        (None, history),
    ):
        assert stale("cam", metrics_, rows) is None


def test_settings_that_differ():
    runs = [
        Run("a", {"method": "cam", "seed": "0"}, {"devices": ["CPU"]}, [], {}),
        Run(
            "b", {"method": "adl", "seed": "0", "adl_gamma": "0.8"}, {}, [], {}
        ),
    ]
    assert setting_rows(runs) == [
        ("--method", ["cam", "adl"], True),
        ("--seed", ["0", "0"], False),
        ("--adl_gamma", ["", "0.8"], True),
        ("devices", ["CPU", ""], True),
    ]
