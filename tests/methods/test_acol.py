"""ACoL against its definition, computed by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.heatmaps.class_maps import class_maps
from adl_tf.methods.acol import (
    EraseStrongest,
    FusedMaps,
    acol,
    erases_prediction,
    erasing_given_class,
    erasing_losses,
)
from adl_tf.methods.build import assemble
from adl_tf.models.classifier import build_classifier

SIZE = 32


def numpy_of(tensor):
    return ops.convert_to_numpy(tensor)


def scaled(values):
    return (values - values.min()) / (values.max() - values.min())


def fused(first, second):
    """The larger of two maps at each place, each of them scaled."""
    expected = np.empty_like(first)
    for image, number in np.ndindex(len(first), first.shape[-1]):
        expected[image, ..., number] = np.maximum(
            scaled(first[image, ..., number]),
            scaled(second[image, ..., number]),
        )
    return expected


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    made, _, _ = assemble("small_cnn", "acol", 3, None, (SIZE, SIZE, 3))
    return made


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    return random.uniform(0, 255, (4, SIZE, SIZE, 3)).astype("float32")


def test_what_is_erased():
    random = np.random.default_rng(1)
    features = random.uniform(1, 2, (3, 5, 4, 2)).astype("float32")
    maps = random.normal(size=(3, 5, 4, 6)).astype("float32")
    labels = np.array([5, 0, 2], "int32")
    found = numpy_of(EraseStrongest(0.6)(features, maps, labels))
    for index, label in enumerate(labels):
        strong = scaled(maps[index, :, :, label]) >= 0.6
        assert 0 < strong.sum() < strong.size
        np.testing.assert_array_equal(
            found[index], np.where(strong[..., None], 0, features[index])
        )


def test_the_threshold_itself_is_erased():
    """A quarter of [0, 4] is exact in floats."""
    maps = np.arange(5, dtype="float32").reshape(1, 1, 5, 1)
    found = EraseStrongest(0.25)(np.ones_like(maps), maps, np.array([0]))
    assert numpy_of(found).ravel().tolist() == [1, 0, 0, 0, 0]


def test_constant_maps_erase_nothing():
    maps = np.full((1, 2, 2, 1), 3.0, "float32")
    found = EraseStrongest(0.5)(np.ones_like(maps), maps, np.array([0]))
    assert numpy_of(found).min() == 1


def test_without_labels_the_answer_is_erased():
    random = np.random.default_rng(2)
    maps = random.normal(size=(3, 4, 4, 6)).astype("float32")
    answers = maps.mean(axis=(1, 2)).argmax(axis=-1)
    features = np.ones((3, 4, 4, 2), "float32")
    layer = EraseStrongest(0.6)
    np.testing.assert_array_equal(
        numpy_of(layer(features, maps)),
        numpy_of(layer(features, maps, answers)),
    )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)
def test_no_gradient_through_the_mask():
    import tensorflow as tf

    features = tf.random.normal((2, 4, 4, 3))
    maps = tf.random.normal((2, 4, 4, 2))
    with tf.GradientTape() as tape:
        tape.watch([features, maps])
        erased = EraseStrongest(0.6)(features, maps, np.array([0, 1]))
        total = tf.reduce_sum(erased)
    by_features, by_maps = tape.gradient(total, [features, maps])
    assert by_maps is None
    np.testing.assert_array_equal(by_features, (erased != 0).numpy() * 1.0)


def test_fused_maps():
    random = np.random.default_rng(3)
    first, second = random.normal(size=(2, 2, 4, 5, 3)).astype("float32")
    found = numpy_of(FusedMaps()(first, second))
    np.testing.assert_allclose(found, fused(first, second), atol=1e-6)


def branch(model, name, features):
    for part in ("conv1", "conv2", "maps"):
        features = model.get_layer(f"acol_{name}_{part}")(features)
    return numpy_of(features)


def test_logits_and_maps_of_the_model(small, images):
    """Put together by hand from its convolutions."""
    model = small.model
    features = numpy_of(
        keras.Model(model.input, model.get_layer("conv4_relu").output)(
            images, training=False
        )
    )
    first = branch(model, "a", features)
    logits = first.mean(axis=(1, 2))
    np.testing.assert_allclose(
        numpy_of(model(images, training=False)), logits, rtol=1e-4, atol=1e-6
    )
    kept = np.stack(
        [
            scaled(each[..., answer]) < 0.6
            for each, answer in zip(first, logits.argmax(axis=-1))
        ]
    )
    second = branch(model, "b", features * kept[..., None])
    found = numpy_of(class_maps(model, images))
    np.testing.assert_allclose(found, fused(first, second), atol=1e-3)


def test_evaluation_erases_the_true_class(small, images):
    """The one that is given, right or wrong; and the predictions stay."""
    model = small.model
    features = numpy_of(
        keras.Model(model.input, model.get_layer("conv4_relu").output)(
            images, training=False
        )
    )
    first = branch(model, "a", features)
    predicted = first.mean(axis=(1, 2)).argmax(axis=-1).astype("int32")
    labels = (predicted + 1) % 3
    kept = np.stack(
        [scaled(each[..., label]) < 0.6 for each, label in zip(first, labels)]
    )
    second = branch(model, "b", features * kept[..., None])
    assert erases_prediction(model)
    erasing = erasing_given_class(model)
    logits, maps = map(numpy_of, erasing((images, labels), training=False))
    np.testing.assert_allclose(maps, fused(first, second), atol=1e-3)
    np.testing.assert_allclose(
        logits, numpy_of(model(images, training=False)), atol=1e-5
    )
    of_predicted = numpy_of(class_maps(model, images))
    assert np.abs(of_predicted - maps).max() > 0.01
    _, maps = erasing((images, predicted), training=False)
    np.testing.assert_allclose(numpy_of(maps), of_predicted, atol=1e-4)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow"
)
def test_evaluation_takes_these_maps(small, images):
    from adl_tf.evaluation.network import keras_network

    images = np.round(images)
    labels = np.array([2, 0, 1, 1], "int32")
    probabilities, maps = keras_network(small.model).localize(
        images.astype("uint8"), labels
    )
    logits, expected = map(
        numpy_of, erasing_given_class(small.model)((images, labels))
    )
    for found, wanted, label in zip(maps, expected, labels):
        np.testing.assert_allclose(found, wanted[..., label], atol=1e-3)
    np.testing.assert_allclose(
        probabilities, numpy_of(ops.softmax(logits)), atol=1e-4
    )


def test_loss(small, images):
    labels = np.array([0, 1, 2, 1], "int32")
    found, logits = erasing_losses(small.training_model, images, labels)
    model = small.training_model
    features = numpy_of(
        keras.Model(model.input[0], model.get_layer("conv4_relu").output)(
            images, training=True
        )
    )
    first = branch(model, "a", features)
    kept = np.stack(
        [scaled(each[..., label]) < 0.6 for each, label in zip(first, labels)]
    )
    second = branch(model, "b", features * kept[..., None])
    expected = np.zeros(4)
    for maps in (first, second):
        exponentials = np.exp(maps.mean(axis=(1, 2)))
        shares = exponentials / exponentials.sum(axis=-1, keepdims=True)
        expected -= np.log(shares[np.arange(4), labels])
    np.testing.assert_allclose(numpy_of(found), expected, rtol=1e-4)
    np.testing.assert_allclose(
        numpy_of(logits), first.mean(axis=(1, 2)), rtol=1e-3, atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_classes", "parameters"), [(1000, 45_080_336), (200, 43_440_336)]
)
def test_parameters_and_map_of_vgg(num_classes, parameters):
    made, _, new_layers = assemble(
        "vgg_gap", "acol", num_classes, None, (224, 224, 3)
    )
    assert made.model.count_params() == parameters
    assert made.training_model.count_params() == parameters
    maps = made.model.get_layer("class_maps").output
    assert maps.shape == (None, 28, 28, num_classes)
    assert "conv6" not in new_layers and "acol_b_maps" in new_layers


@pytest.mark.parametrize("options", [{}, {"map_stride": 8}, {"layers": "spg"}])
@pytest.mark.parametrize("map_stride", [None, 8, 16])
def test_pooling_of_vgg_equals_pytorch(options, map_stride):
    """Sizes, padding, and zeros that count in the mean of the border.

    The network is ACoL's, whatever the options of `vgg_gap` say.
    """
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    plain, backbone, _ = build_classifier(
        "vgg_gap", 2, None, (SIZE, SIZE, 3), **options
    )
    model = acol(plain, backbone, map_stride=map_stride).model
    image = np.random.default_rng(4).uniform(0, 255, (1, SIZE, SIZE, 3))
    values = torch.tensor(
        numpy_of(
            keras.Model(model.input, model.get_layer("preprocess").output)(
                image, training=False
            )
        ).transpose(0, 3, 1, 2)
    )
    fourth = 2 if map_stride == 16 else 1
    for block, (count, stride) in enumerate(
        [(2, 2), (2, 2), (3, 2), (3, fourth), (3, 1)], start=1
    ):
        for number in range(1, count + 1):
            layer = plain.get_layer(f"block{block}_conv{number}")
            kernel, bias = (torch.tensor(w) for w in layer.get_weights())
            values = functional.relu(
                functional.conv2d(
                    values, kernel.permute(3, 2, 0, 1), bias, padding=1
                )
            )
        values = functional.max_pool2d(values, 3, stride, padding=1)
    values = functional.avg_pool2d(values, 3, 1, padding=1)
    found = keras.Model(model.input, model.get_layer("acol_pool").output)(
        image, training=False
    )
    expected = values.numpy().transpose(0, 2, 3, 1)
    side = SIZE // (map_stride or 8)
    assert expected.shape == (1, side, side, 512) and expected.std() > 1e-3
    np.testing.assert_allclose(
        numpy_of(found), expected, rtol=1e-3, atol=1e-4 * expected.max()
    )


def test_map_stride_is_of_vgg_alone():
    with pytest.raises(ValueError, match="'vgg_gap' alone.*map_stride=8"):
        assemble("small_cnn", "acol", 3, None, (SIZE, SIZE, 3), map_stride=8)
    with pytest.raises(ValueError, match="8 or 16. Received: map_stride=4"):
        assemble("vgg_gap", "acol", 3, None, (SIZE, SIZE, 3), map_stride=4)
