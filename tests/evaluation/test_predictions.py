"""Predicted classes that other programs wrote."""

import json

import numpy as np
import pytest

from adl_tf.datasets.examples import Examples
from adl_tf.errors import DataError
from adl_tf.evaluation.predictions import read_predictions

NAMES = [f"test/{letter}/{number}.jpeg" for letter in "ab" for number in (0, 1)]
LABELS = [0, 1, 2, 6]


def examples(class_names=None):
    return Examples(
        image_ids=NAMES,
        paths=NAMES,
        labels=np.array(LABELS, np.int32),
        boxes=[np.zeros((1, 4), np.float32)] * 4,
        class_names=class_names or [str(number) for number in range(7)],
    )


def predictions_of(root, lines, class_names=None):
    path = root / "predictions.jsonl"
    path.write_text(
        "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines)
    )
    return read_predictions(str(path), examples(class_names))


def test_predictions_of_evaluate(tmp_path):
    lines = [
        {
            "image_id": name,
            "label": 9,
            "predicted": label,
            "probability": 0.25 * place,
            "top5": [label, 11, 12, 13, 14],
        }
        for place, (name, label) in enumerate(zip(NAMES, LABELS))
    ]
    found = predictions_of(tmp_path, [*reversed(lines), ""])
    assert found.class_ids.tolist() == LABELS
    # 0 is a probability.
    assert found.probabilities.tolist() == [0, 0.25, 0.5, 0.75]
    assert found.top5[:, 0].tolist() == LABELS
    assert found.top5.shape == (4, 5)


def test_predictions_of_predict(tmp_path):
    lines = [{"image": name, "class_id": 2, "box": None} for name in NAMES]
    lines.append({"image": "another.jpg", "class_id": 4})
    found = predictions_of(tmp_path, lines)
    assert found.class_ids.tolist() == [2] * 4
    assert found.probabilities is found.top5 is None


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[1, 2]",
        "3",
        '{"image_id": "x"}',
        '{"class_id": 3}',
        '{"image_id": 4, "class_id": 3}',
        '{"image_id": "x", "class_id": "crow"}',
        '{"image_id": "x", "class_id": 1.5}',
        '{"image_id": "x", "class_id": 1, "probability": "high"}',
        '{"image_id": "x", "class_id": 1, "top5": [1, "b"]}',
        '{"image": "broken.jpg", "error": "it is not an image"}',
        '{"image_id": "x", "class_id": true}',
        '{"image_id": "x", "class_id": 1' + "0" * 30 + "}",
        '{"image_id": "x", "class_id": 1, "class_id": 2}',
        '{"image_id": "x", "class_id": 1, "probability": Infinity}',
        '{"image_id": "x", "class_id": 1, "probability": NaN}',
        '{"image_id": "x", "class_id": 1, "probability": 1.5}',
        '{"image_id": "x", "class_id": 1, "probability": false}',
        '{"image_id": "x", "class_id": 1, "top5": {"0": 1}}',
    ],
)
def test_malformed_line(tmp_path, line):
    good = [{"image_id": name, "class_id": 0} for name in NAMES]
    with pytest.raises(DataError) as caught:
        predictions_of(tmp_path, [*good[:2], line, *good[2:]])
    assert "predictions.jsonl:3: image_id and class_id" in str(caught.value)
    assert line in str(caught.value)


def test_images_without_a_prediction_or_with_two(tmp_path):
    good = [{"image_id": name, "class_id": 0} for name in NAMES]
    with pytest.raises(DataError, match="1 of 4 images, such as test/b/0"):
        predictions_of(tmp_path, [*good[:2], good[3]])
    with pytest.raises(DataError, match=r"jsonl:5: test/a/0.jpeg is given tw"):
        predictions_of(tmp_path, [*good, good[0]])
    with pytest.raises(DataError, match="no file .*nowhere.jsonl"):
        read_predictions(str(tmp_path / "nowhere.jsonl"), None)


def test_names_decide_where_both_have_them(tmp_path):
    """A program that numbers the classes differently."""
    names = ["auk", "crow", "finch", "gull", "heron", "ibis", "jay"]
    others = names[::-1]
    lines = [
        {
            "image_id": name,
            "class_id": others.index(names[label]),
            "class_name": names[label],
        }
        for name, label in zip(NAMES, LABELS)
    ]
    found = predictions_of(tmp_path, lines, names)
    assert found.class_ids.tolist() == LABELS
    # Without names in the data, numbers are all there is.
    assert predictions_of(tmp_path, lines).class_ids.tolist() != LABELS
    # A class that the data do not have is wrong everywhere.
    lines[2]["class_name"] = "kite"
    assert predictions_of(tmp_path, lines, names).class_ids[2] == len(names)
    for line in lines:
        line["class_name"] = "no bird"
    with pytest.raises(DataError, match="none of its class names"):
        predictions_of(tmp_path, lines, names)


def test_other_encodings(tmp_path):
    path = tmp_path / "predictions.jsonl"
    text = "\n".join(json.dumps({"image_id": n, "class_id": 0}) for n in NAMES)
    path.write_bytes(text.encode("utf-8-sig"))
    assert read_predictions(str(path), examples()).class_ids.tolist() == [0] * 4
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        read_predictions(str(path), examples())
