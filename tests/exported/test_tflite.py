"""TensorFlow Lite models, run by the interpreter that the docs name."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from adl_tf.evaluation.network import exported_network
from adl_tf.exported.tflite import writer
from adl_tf.exported.writing import export
from adl_tf.workdir.trained import class_names, load_trained

# How much probabilities and heatmaps may differ from the SavedModel's.
TOLERANCES = {None: 1e-4, "float16": 0.01, "int8": 0.1}


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    root = tmp_path_factory.mktemp("exported")
    model, names = load_trained(trained), class_names(trained)
    export(model, str(root / "saved_model"), names, trained, 0.3)
    for quantize in TOLERANCES:
        folder = str(root / str(quantize))
        export(model, folder, names, trained, 0.3, writer(quantize))
    return root


@pytest.fixture(scope="module")
def images(data_dir):
    encoded = [
        tf.io.read_file(str(path))
        for path in sorted((data_dir / "test").glob("*.png"))
    ]
    images = [
        tf.image.resize(tf.io.decode_png(e, 3), (32, 32)) for e in encoded
    ]
    return tf.cast(tf.round(tf.stack(images)), tf.uint8)


@pytest.mark.parametrize("quantize", TOLERANCES)
def test_answers_are_those_of_the_saved_model(exported, images, quantize):
    loaded = tf.saved_model.load(str(exported / "saved_model"))
    expected = loaded.signatures["images"](images=images)
    interpreter = Interpreter(str(exported / str(quantize) / "model.tflite"))
    localize = interpreter.get_signature_runner("localize")
    for index, image in enumerate(images.numpy()):
        found = localize(images=image[None], class_id=np.int32([-1]))
        assert set(found) == set(expected)
        assert found["class_id"] == expected["class_id"][index].numpy()
        for name in ("probability", "probabilities", "heatmap"):
            np.testing.assert_allclose(
                found[name][0], expected[name][index], atol=TOLERANCES[quantize]
            )
        if quantize is None:
            np.testing.assert_array_equal(
                found["box"][0], expected["box"][index]
            )


def test_no_operations_but_builtin_ones(exported):
    content = (exported / "None" / "model.tflite").read_bytes()
    assert b"Flex" not in content


def test_sizes(exported):
    sizes = {
        quantize: os.path.getsize(exported / str(quantize) / "model.tflite")
        for quantize in TOLERANCES
    }
    assert sizes[None] > sizes["float16"] > sizes["int8"]


def test_network_to_score(exported, images):
    labels = np.arange(len(images)) % 2
    expected = exported_network(str(exported / "saved_model"))
    network = exported_network(str(exported / "None"))
    assert network.num_classes == 2
    assert network.input_size == 32
    for found, other in zip(
        network.localize(images, labels), expected.localize(images, labels)
    ):
        np.testing.assert_allclose(found, other, atol=1e-4)


def test_what_lies_beside_the_model(exported):
    extra = exported / "int8" / "assets.extra"
    about = json.loads((extra / "localization.json").read_text())
    assert about["threshold"] == 0.3
    assert (extra / "class_names.txt").read_text().split() == ["0", "1"]
    assert not (exported / "int8" / "saved_model").exists()
