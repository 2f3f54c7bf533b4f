"""Training, checks, exported models and `predict` decode the same pixels."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from adl_tf.datasets import check, pipeline
from adl_tf.datasets.decoding import read_image
from adl_tf.exported.decoding import decode_images
from adl_tf.exported.description import Description
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.reporting.prediction import predict
from tests.datasets.drawings import examples_of
from tests.exported.test_decoding import IMAGES, SIDE

# So large that a crop is the whole image.
WHOLE = {"resize_size": SIDE, "input_size": SIDE}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    found = []
    for name, (encoded, _, _) in IMAGES.items():
        path = folder / name.replace(", ", "_")
        path.write_bytes(encoded)
        found.append(str(path))
    return found


@pytest.fixture(scope="module")
def expected(paths):
    return np.stack([read_image(path) for path in paths])


def test_evaluation(paths, expected):
    ((images, _),) = pipeline.test_batches(
        examples_of(paths), batch_size=len(paths), **WHOLE
    ).as_numpy_iterator()
    np.testing.assert_array_equal(images, expected)


def test_training(paths, expected):
    batches = pipeline.training_batches(
        examples_of(paths), batch_size=len(paths), seed=0, **WHOLE
    )
    images, labels = next(batches.as_numpy_iterator())
    assert sorted(labels) == list(range(len(paths)))
    for image, label in zip(images, labels):
        mirrored = expected[label][:, ::-1]
        same = [
            np.array_equal(image, each) for each in (expected[label], mirrored)
        ]
        assert any(same), paths[label]


def test_check(paths, expected):
    for path, image in zip(paths, expected):
        decoded = check.decode_image(path)
        digest = hashlib.blake2b(
            image.tobytes(), digest_size=16, salt=b"%d" % SIDE
        )
        assert decoded.digest == digest.digest(), path


def test_exported_graph(paths, expected):
    encoded = [tf.io.read_file(path) for path in paths]
    images, _ = decode_images(tf.stack(encoded), SIDE)
    np.testing.assert_array_equal(images, expected)


def test_predict(paths, expected, tmp_path):
    seen = []

    class Model:
        description = Description(
            ["a"], 0.2, "", PROTOCOLS["adl_cvpr19"], SIDE, None
        )

        def __call__(self, images, class_ids, threshold):
            seen.extend(images)
            count = len(images)
            return {
                "class_id": np.zeros(count, np.int32),
                "probability": np.ones(count, np.float32),
                "probabilities": np.ones((count, 1), np.float32),
                "heatmap": np.zeros((count, SIDE, SIDE), np.float32),
                "box": np.zeros((count, 4), np.int32),
            }

    _, failed, _ = predict(Model(), paths, str(tmp_path / "out"))
    assert not failed
    np.testing.assert_array_equal(seen, expected)
