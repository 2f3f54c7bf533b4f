"""The SavedModel: its signatures, and what lies beside it."""

import collections
import errno
import json
import os
import pathlib
import shutil

import cv2
import numpy as np
import pytest
import tensorflow as tf

from adl_tf import build_model
from adl_tf.errors import AdlTfError, DataError, UsageError
from adl_tf.exported.loading import load_exported
from adl_tf.exported.writing import export
from adl_tf.localization.boxes import boxes_at_cutoffs, cutoffs
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.workdir.trained import load_trained


@pytest.fixture(scope="module")
def signatures(saved_model):
    loaded = tf.saved_model.load(saved_model)
    yield loaded.signatures
    del loaded


def square(width, height, begin, end, colour=(230, 30, 30)):
    image = np.full((height, width, 3), 120, np.uint8)
    image[begin[1] : end[1], begin[0] : end[0]] = colour
    return image


def png(image):
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


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
    # In pixels of the images as given.
    for index, (width, height) in enumerate([(120, 60), (40, 40)]):
        expected = box_at(heatmap[index], 0.3) * ([width, height] * 2) / 32
        np.testing.assert_allclose(answer["box"][index], expected, rtol=1e-6)


def box_at(heatmap, threshold):
    """As the measures find it, under the protocol that holds by default."""
    levels = PROTOCOLS["adl_cvpr19"].to_levels(heatmap)
    return boxes_at_cutoffs(levels, cutoffs(levels, [threshold]))[0]


def test_decoded_images_answer_the_same(signatures):
    image = square(40, 40, (4, 4), (20, 20))
    encoded = signatures["serving_default"](
        image_bytes=tf.constant([png(image)])
    )
    decoded = signatures["images"](images=tf.constant(image[None]))
    for name, value in encoded.items():
        np.testing.assert_allclose(value, decoded[name], atol=1e-5)


def test_class_to_look_for(signatures):
    image = tf.constant([png(square(40, 40, (4, 4), (20, 20)))])
    answers = [
        signatures["localize"](image_bytes=image, class_id=tf.constant([k]))
        for k in (0, 1)
    ]
    assert [int(a["class_id"][0]) for a in answers] == [0, 1]
    total = sum(float(answer["probability"][0]) for answer in answers)
    assert total == pytest.approx(1, abs=1e-5)
    assert not np.allclose(answers[0]["heatmap"], answers[1]["heatmap"])


def test_another_threshold(signatures):
    image = png(square(40, 40, (4, 4), (20, 20)))
    thresholds = [0.3, 0.1, 0.9, 0.9]
    answer = signatures["localize_at"](
        image_bytes=tf.constant([image] * 4),
        class_id=tf.constant([-1, -1, -1, 1]),
        threshold=tf.constant(thresholds),
    )
    stored = signatures["serving_default"](image_bytes=tf.constant([image]))
    for name, value in stored.items():
        np.testing.assert_allclose(answer[name][0], value[0], atol=1e-6)
    assert answer["class_id"].numpy()[:3].tolist() == [1, 1, 1]
    for box, heatmap, threshold in zip(
        answer["box"].numpy(), answer["heatmap"].numpy(), thresholds
    ):
        expected = box_at(heatmap, threshold) * 40 / 32
        np.testing.assert_allclose(box, expected, rtol=1e-6)
    areas = np.prod(answer["box"][:, 2:] - answer["box"][:, :2], axis=1)
    assert areas[1] >= areas[0] > areas[2]


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_a_threshold_out_of_range_answers_nothing(signatures, threshold):
    image = png(square(40, 40, (4, 4), (20, 20)))
    answer = signatures["localize_at"](
        image_bytes=tf.constant([image] * 2),
        class_id=tf.constant([1]),
        threshold=tf.constant([0.5, threshold]),
    )
    assert answer["class_id"].numpy().tolist() == [1, -1]
    for name in ("box", "heatmap", "probabilities", "probability"):
        assert (
            answer[name][0].numpy().any() and not answer[name][1].numpy().any()
        )


def test_boxes_end_with_the_image(signatures):
    for width in range(35, 60):
        image = png(square(width, width, (0, 0), (width, width)))
        answer = signatures["localize_at"](
            image_bytes=tf.constant([image]),
            class_id=tf.constant([1]),
            threshold=tf.constant([0.0]),
        )
        assert (answer["box"].numpy() <= width).all()


def test_batches_of_none_and_one_value_for_all(signatures):
    image = png(square(40, 40, (4, 4), (20, 20)))
    none, three = tf.constant([], tf.string), tf.constant([image] * 3)
    for name, inputs in (
        ("serving_default", {"image_bytes": none}),
        ("images", {"images": tf.zeros((0, 10, 20, 3), tf.uint8)}),
        ("localize", {"image_bytes": none, "class_id": tf.constant([1])}),
    ):
        answer = signatures[name](**inputs)
        shapes = {key: tuple(each.shape) for key, each in answer.items()}
        assert shapes == {
            "class_id": (0,),
            "probability": (0,),
            "probabilities": (0, 2),
            "box": (0, 4),
            "heatmap": (0, 32, 32),
        }
    answers = [
        signatures["localize_at"](
            image_bytes=three,
            class_id=tf.constant([0] * number),
            threshold=tf.constant([0.6] * number),
        )
        for number in (3, 1)
    ]
    for name, value in answers[0].items():
        np.testing.assert_array_equal(value, answers[1][name])
    for class_ids, thresholds, wrong in (
        ([0, 1], [0.2], "class_id has to be one for each"),
        ([], [0.2], "class_id has to be one for each"),
        ([0], [0.2] * 4, "threshold has to be one for each"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=wrong):
            signatures["localize_at"](
                image_bytes=three,
                class_id=tf.constant(class_ids, tf.int32),
                threshold=tf.constant(thresholds),
            )


def test_images_without_an_answer(signatures):
    image = png(square(40, 40, (4, 4), (20, 20)))
    alone = signatures["localize"](
        image_bytes=tf.constant([image]), class_id=tf.constant([1])
    )
    answer = signatures["localize"](
        image_bytes=tf.constant([b"no image", image, image, image]),
        class_id=tf.constant([1, 1, 2, -2]),
    )
    assert answer["class_id"].numpy().tolist() == [-1, 1, -1, -1]
    for name, value in answer.items():
        np.testing.assert_allclose(value[1], alone[name][0], atol=1e-6)
        if name != "class_id":
            assert not value.numpy()[[0, 2, 3]].any()


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


def test_operations_are_those_of_class_activation_maps(
    shared_settings, tmp_path
):
    def operations(method):
        model = build_model(
            "small_cnn",
            method=method,
            num_classes=2,
            weights=None,
            input_shape=(32, 32, 3),
        )
        folder = str(tmp_path / method)
        export(model, folder, ["a", "b"], shared_settings(folder), 0.3)
        graph = tf.saved_model.load(folder).signatures["serving_default"].graph
        graph = graph.as_graph_def()
        nodes = [*graph.node]
        for function in graph.library.function:
            nodes += function.node_def
        return collections.Counter(node.op for node in nodes)

    assert operations("adl") == operations("cam")


def test_what_lies_beside_the_model(saved_model):
    extra = os.path.join(saved_model, "assets.extra")
    with open(os.path.join(extra, "class_names.txt")) as file:
        assert file.read().split() == ["0", "1"]
    with open(os.path.join(extra, "localization.json")) as file:
        assert json.load(file) == {
            "threshold": 0.3,
            "threshold_origin": "as given",
            "protocol": "adl_cvpr19",
            "input_size": 32,
            "resize_size": 36,
        }


def test_folder_in_use(trained, tmp_path, capsys):
    def write(localizer, folder):
        assert os.listdir(folder) == []

    def again():
        export(model, str(folder), ["0", "1"], trained, 0.3, write)
        return capsys.readouterr().out

    model, folder = load_trained(trained), tmp_path / "export"
    assert again() == ""
    # In another format, perhaps.
    (folder / "saved_model.pb").write_bytes(b"")
    assert again() == f"an earlier export in {folder} is replaced\n"
    assert os.listdir(folder) == ["assets.extra"]
    # Beside an export, without one, and in the place of the folder.
    thesis = folder / "thesis.txt"
    thesis.write_text("not to be lost")
    with pytest.raises(UsageError, match="thesis.txt there is not what an"):
        again()
    shutil.rmtree(folder / "assets.extra")
    with pytest.raises(UsageError, match="thesis.txt there is not what an"):
        again()
    folder = thesis
    with pytest.raises(UsageError, match="is not a folder"):
        again()
    assert thesis.read_text() == "not to be lost"


def test_names_are_one_for_each_class(trained, tmp_path):
    model, folder = load_trained(trained), tmp_path / "out"
    with pytest.raises(DataError, match="3 class names for a network of 2"):
        export(model, str(folder), ["a", "b", "c"], trained, 0.3)
    assert not folder.exists()
    names = ["a\u2028b", "c\x85d"]
    export(model, str(folder), names, trained, 0.3)
    assert load_exported(str(folder)).description.class_names == names
    path = folder / "assets.extra" / "class_names.txt"
    path.write_text("a\n\nb\n")
    with pytest.raises(DataError, match="an empty line where the name of"):
        load_exported(str(folder))
    path.write_text("a\nb\nc\n")
    with pytest.raises(DataError, match="3 names for 2 classes of the model"):
        load_exported(str(folder))


@pytest.mark.parametrize("fails", [OSError, tf.errors.ResourceExhaustedError])
def test_a_full_disk_leaves_the_earlier_export(trained, tmp_path, fails):
    def write(localizer, folder):
        (pathlib.Path(folder) / "saved_model.pb").write_bytes(b"part")
        if fails is OSError:
            raise OSError(errno.ENOSPC, "No space left on device")
        raise fails(None, None, "No space left on device")

    model, folder = load_trained(trained), tmp_path / "export"
    names = ["0", "1"]
    export(model, str(folder), names, trained, 0.3)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(AdlTfError, match="export cannot be written: No space"):
        export(model, str(folder), names, trained, 0.4, write)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert load_exported(str(folder)).description.threshold == 0.3
    assert os.listdir(tmp_path) == ["export"]
