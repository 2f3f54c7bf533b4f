"""Loading of exported models: both formats, and folders of version 0.1.0."""

import json

import numpy as np
import pytest
import tensorflow as tf

from adl_tf.errors import DataError
from adl_tf.exported.graph import Localizer
from adl_tf.exported.loading import load_exported
from adl_tf.exported.tflite import writer
from adl_tf.exported.writing import export
from adl_tf.localization.boxes import boxes_at_cutoffs, cutoffs
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.workdir.trained import class_names, load_trained

OUTPUTS = {"class_id", "probability", "probabilities", "heatmap", "box"}


@pytest.fixture(scope="module")
def tflite_model(trained, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("exported") / "lite")
    model, names = load_trained(trained), class_names(trained)
    export(model, folder, names, trained, 0.3, writer())
    return folder


@pytest.fixture(scope="module")
def old_saved_model(trained, tmp_path_factory):
    """A folder as `adl_tf.export` of version 0.1.0 wrote it.

    Its signatures are `serving_default`, `images`, `localize` and
    `localize_at`. `localization.json` has neither `threshold_origin` nor
    `resize_size`, which came before the release, but after the first exports.
    """
    folder = tmp_path_factory.mktemp("exported") / "old"
    localizer = Localizer(
        load_trained(trained), 32, 0.3, PROTOCOLS["adl_cvpr19"]
    )
    signatures = localizer.signatures()
    del signatures["localize_images"]
    assert sorted(signatures) == [
        "images",
        "localize",
        "localize_at",
        "serving_default",
    ]
    tf.saved_model.save(localizer, str(folder), signatures=signatures)
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / "class_names.txt").write_text("0\n1\n")
    (extra / "localization.json").write_text(
        '{"threshold": 0.3, "protocol": "adl_cvpr19", "input_size": 32}'
    )
    return str(folder)


@pytest.fixture(scope="module")
def images(data_dir):
    encoded = [
        tf.io.read_file(str(path))
        for path in sorted((data_dir / "test").glob("*.png"))
    ]
    resized = [
        tf.image.resize(tf.io.decode_png(each, 3), (32, 32)) for each in encoded
    ]
    return np.uint8(np.round(np.stack(resized)))


@pytest.fixture(scope="module")
def expected(saved_model, images):
    """What the oldest signature gives, through files that lose nothing."""
    localize = tf.saved_model.load(saved_model).signatures["localize"]
    encoded = [tf.io.encode_png(image) for image in images]
    outputs = localize(
        image_bytes=tf.stack(encoded), class_id=tf.range(len(images)) % 3 - 1
    )
    return {name: each.numpy() for name, each in outputs.items()}


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [("saved_model", 1e-5), ("tflite_model", 1e-4), ("old_saved_model", 1e-5)],
)
def test_outputs_are_those_of_the_signatures(
    kind, tolerance, images, expected, request
):
    model = load_exported(request.getfixturevalue(kind))
    assert model.description.class_names == ["0", "1"]
    assert model.description.threshold == 0.3
    assert model.description.input_size == 32
    outputs = model(images, np.arange(len(images)) % 3 - 1)
    assert set(outputs) == OUTPUTS
    for name in ("class_id", "box"):
        np.testing.assert_array_equal(outputs[name], expected[name])
    for name in ("probability", "probabilities", "heatmap"):
        np.testing.assert_allclose(
            outputs[name], expected[name], atol=tolerance
        )


@pytest.mark.parametrize("kind", ["saved_model", "tflite_model"])
def test_another_threshold(kind, images, request):
    model = load_exported(request.getfixturevalue(kind))
    outputs = model(images, np.full(len(images), -1), threshold=0.7)
    for heatmap, box in zip(outputs["heatmap"], outputs["box"], strict=True):
        levels = PROTOCOLS["adl_cvpr19"].to_levels(heatmap)
        (found,) = boxes_at_cutoffs(levels, cutoffs(levels, [0.7]))
        assert box.tolist() == found.tolist()


def test_no_image_is_encoded_again(saved_model, monkeypatch, images):
    def refuse(image):
        raise AssertionError("the SavedModel takes decoded images")

    monkeypatch.setattr(tf.io, "encode_png", refuse)
    load_exported(saved_model)(images, np.zeros(len(images)))


def test_an_old_description_leaves_fields_open(old_saved_model):
    description = load_exported(old_saved_model).description
    assert description.resize_size is None
    assert description.threshold_origin == ""


@pytest.mark.parametrize("kind", ["saved_model.pb", "model.tflite"])
def test_no_model(tmp_path, kind):
    with pytest.raises(DataError, match="is not a model that adl_tf.export"):
        load_exported(str(tmp_path))
    extra = tmp_path / "assets.extra"
    extra.mkdir()
    (extra / "class_names.txt").write_text("a\nb\n")
    (extra / "localization.json").write_text(
        json.dumps(
            {"threshold": 0.3, "protocol": "adl_cvpr19", "input_size": 32}
        )
    )
    with pytest.raises(DataError, match="or is damaged: export it again"):
        load_exported(str(tmp_path))
    (tmp_path / kind).write_bytes(b"not a model")
    with pytest.raises(DataError, match="or is damaged: export it again"):
        load_exported(str(tmp_path))
