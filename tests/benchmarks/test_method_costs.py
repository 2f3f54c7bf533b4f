"""What Table 3's cost columns are made of."""

import keras
import pytest

from adl_tf.methods.build import build_model
from benchmarks.method_costs import (
    multiply_accumulates,
    overheads,
    page,
)


def test_multiply_accumulates_by_hand():
    inputs = keras.Input((8, 8, 3))
    features = keras.layers.Conv2D(5, 3, strides=2, padding="same")(inputs)
    features = keras.layers.DepthwiseConv2D(3, padding="same")(features)
    features = keras.layers.BatchNormalization()(features)
    features = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(inputs, keras.layers.Dense(7)(features))
    expected = 4 * 4 * (9 * 3 * 5) + 4 * 4 * (9 * 5) + 5 * 7
    assert multiply_accumulates(model, 8) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "method", "billions"),
    [
        ("mobilenet_v1", "cam", 0.802),
        ("mobilenet_v1", "adl", 0.802),
        ("vgg_gap", "adl", 16.27),
        ("inception_v3", "adl", 21.39),
    ],
)
def test_multiply_accumulates_of_the_networks(backbone, method, billions):
    model = build_model(backbone, method, 1000, None, (224, 224, 3))
    count = multiply_accumulates(model, 224)
    assert count / 1e9 == pytest.approx(billions, rel=1e-3)


def test_times_are_compared_within_a_round():
    cam = {
        "parameters": 100,
        "multiply_accumulates": 50,
        "training_seconds": [1.0, 8.0, 2.0],
        "inference_seconds": [1.0, 1.0, 1.0],
    }
    row = {
        "parameters": 110,
        "multiply_accumulates": 50,
        "training_seconds": [1.1, 9.6, 2.2],
        "inference_seconds": [0.9, 5.0, 1.0],
    }
    assert overheads(row, cam) == pytest.approx(
        {
            "parameters": 10,
            "multiply_accumulates": 0,
            "training": 10,
            "inference": 0,
        }
    )


def test_rows():
    ours = {
        "parameters": 100,
        "mib": 100 * 4 / 2**20,
        "multiply_accumulates": 2_000_000,
        "adl_values": 1000,
        "training_seconds": [0.3, 0.1, 0.2],
        "inference_seconds": [0.1, 0.1, 0.4],
        "overheads": {
            "parameters": 0.0,
            "multiply_accumulates": 0.0,
            "training": 1.26,
            "inference": -0.5,
        },
    }
    paper = {"mib": 78, "parameter_overhead": 132.05, "overhead": 37.63}
    rows = [
        {"backbone": "a", "method": method, "paper": paper, "ours": each}
        for method, each in (("acol", ours | {"adl_values": 0}), ("adl", ours))
    ]
    names = ("python", "tensorflow", "keras", "processor", "cores", "revision")
    environment = {**dict.fromkeys(names, "x"), "devices": ["CPU"]}
    text = page(
        {
            "rows": rows,
            "environment": {**environment, "started": "2026-01-02T03:04"},
            "rounds": 3,
            "batch_size": 2,
            "input_size": 224,
            "notes": ["A note."],
        }
    )
    acol, adl = (
        [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith("| a ")
    )
    assert acol[0] == "ACoL" and acol[8] == ""
    assert adl[:3] == ["ADL", "100", "0.00 (78)"]
    assert adl[5:8] == [
        "0 % (37.63 %)",
        "0.20 s (0.10-0.30), +1.3 %",
        "0.10 s (0.10-0.40), -0.5 %",
    ]
    assert adl[8] == "1,000 (0.050 %)"
    assert "- A note." in text
