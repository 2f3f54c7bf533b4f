import json
import os

import cv2
import numpy as np
import pytest
import tensorflow as tf

from adl_tf.errors import UsageError
from adl_tf.training.export import _evaluated_threshold, export
from adl_tf.training.trained import class_names, load_trained


@pytest.fixture(scope="module")
def saved_model(trained, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("exported") / "saved")
    export(load_trained(trained), folder, class_names(trained), trained, 0.3)
    return folder


@pytest.fixture(scope="module")
def signatures(saved_model):
    loaded = tf.saved_model.load(saved_model)
    yield loaded.signatures
    del loaded


def square(width, height, begin, end, colour=(230, 30, 30)):
    picture = np.full((height, width, 3), 120, np.uint8)
    picture[begin[1] : end[1], begin[0] : end[0]] = colour
    return picture


def png(picture):
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def test_answers(signatures):
    wide = square(120, 60, (60, 15), (108, 45))
    small = square(40, 40, (4, 4), (20, 20), (30, 30, 230))
    answer = signatures["serving_default"](
        image_bytes=tf.constant([png(wide), png(small)])
    )
    shapes = {name: tuple(value.shape) for name, value in answer.items()}
    assert shapes == {
        "class_id": (2,),
        "probability": (2,),
        "probabilities": (2, 2),
        "box": (2, 4),
        "heatmap": (2, 32, 32),
    }
    assert answer["class_id"].dtype == tf.int32
    assert answer["box"].dtype == tf.float32
    assert answer["class_id"].numpy().tolist() == [1, 0]
    np.testing.assert_allclose(
        answer["probability"], np.max(answer["probabilities"], axis=1)
    )
    heatmap = answer["heatmap"].numpy()
    assert heatmap.min() == 0
    assert heatmap.max() == 1
    # In pixels of the pictures as given.
    for index, (width, height) in enumerate([(120, 60), (40, 40)]):
        kept = (heatmap[index] >= 0.3).astype(np.uint8)
        _, _, components, _ = cv2.connectedComponentsWithStats(kept)
        x, y, w, h, _ = components[1 + np.argmax(components[1:, 4])]
        expected = np.array([x, y, x + w, y + h]) * ([width, height] * 2) / 32
        np.testing.assert_allclose(answer["box"][index], expected, rtol=1e-6)


def test_decoded_pictures_answer_the_same(signatures):
    picture = square(40, 40, (4, 4), (20, 20))
    encoded = signatures["serving_default"](
        image_bytes=tf.constant([png(picture)])
    )
    decoded = signatures["images"](images=tf.constant(picture[None]))
    for name, value in encoded.items():
        np.testing.assert_allclose(value, decoded[name], atol=1e-5)


def test_class_to_look_for(signatures):
    picture = tf.constant([png(square(40, 40, (4, 4), (20, 20)))])
    answers = [
        signatures["localize"](image_bytes=picture, class_id=tf.constant([k]))
        for k in (0, 1)
    ]
    assert [int(a["class_id"][0]) for a in answers] == [0, 1]
    total = sum(float(answer["probability"][0]) for answer in answers)
    assert total == pytest.approx(1, abs=1e-5)
    assert not np.allclose(answers[0]["heatmap"], answers[1]["heatmap"])


def test_nothing_of_adl_is_left(saved_model, signatures):
    graph = signatures["serving_default"].graph.as_graph_def()
    operations = {node.op for node in graph.node}
    for function in graph.library.function:
        operations |= {node.op for node in function.node_def}
    assert "Conv2D" in operations
    assert not {"Sigmoid", "StatelessRandomUniformV2"} & operations
    names = [
        name
        for name, _ in tf.train.list_variables(
            os.path.join(saved_model, "variables", "variables")
        )
    ]
    assert not any("seed" in name for name in names)


def test_what_lies_beside_the_model(saved_model):
    extra = os.path.join(saved_model, "assets.extra")
    with open(os.path.join(extra, "class_names.txt")) as file:
        assert file.read().split() == ["0", "1"]
    with open(os.path.join(extra, "localization.json")) as file:
        assert json.load(file)["threshold"] == 0.3


@pytest.mark.parametrize(
    ("best_tau", "expected"),
    [
        ({"tau": 0.35}, (0.35, "adl_cvpr19")),
        # Scored on masks alone, which have no boxes.
        (None, (0.2, None)),
    ],
)
def test_threshold_of_an_evaluation(tmp_path, best_tau, expected):
    metrics = {"protocol": "adl_cvpr19", "best_tau": best_tau}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert _evaluated_threshold(str(tmp_path)) == expected


def test_folder_in_use(trained, tmp_path):
    (tmp_path / "thesis.txt").write_text("not to be lost")
    with pytest.raises(UsageError, match="not empty"):
        export(load_trained(trained), str(tmp_path), ["0", "1"], trained, 0.3)
    assert (tmp_path / "thesis.txt").exists()


def test_predict(saved_model, data_dir, tmp_path):
    from adl_tf.reporting.prediction import find_pictures, predict

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    hostile = "<img src=x onerror=alert(1)>.png"
    picture = square(80, 40, (8, 4), (40, 20))
    (pictures / hostile).write_bytes(png(picture))
    (pictures / "broken.jpg").write_bytes(b"not a picture")
    (pictures / "notes.txt").write_text("not meant")
    paths = find_pictures([str(pictures), str(data_dir / "test" / "*.png")])
    assert len(paths) == 11
    page, failed = predict(saved_model, paths, str(tmp_path / "out"))
    assert [os.path.basename(r["image"]) for r in failed] == ["broken.jpg"]
    with open(tmp_path / "out" / "predictions.jsonl") as file:
        records = [json.loads(line) for line in file]
    assert [record["image"] for record in records] == paths
    for record in records:
        if "error" in record:
            continue
        heatmap = np.load(tmp_path / "out" / record["heatmap"])
        assert heatmap.shape == (32, 32)
        assert record["class_name"] == str(record["class_id"])
    with open(page) as file:
        html = file.read()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    for name in os.listdir(tmp_path / "out" / "drawings"):
        assert cv2.imread(str(tmp_path / "out" / "drawings" / name)).size
    drawn = cv2.imread(str(tmp_path / "out" / "drawings" / "00000_picture.jpg"))
    assert drawn.shape == (40, 80, 3) or drawn.shape == (40, 40, 3)


def test_predict_finds_nothing(tmp_path):
    from adl_tf.reporting.prediction import find_pictures

    with pytest.raises(UsageError, match="there is no such picture"):
        find_pictures([str(tmp_path / "*.jpg")])
