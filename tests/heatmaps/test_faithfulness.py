"""Faithfulness and averaged maps, against loops in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from adl_tf.heatmaps.eigen_cam import EigenCAM
from adl_tf.heatmaps.faithfulness import faithfulness
from adl_tf.heatmaps.grad_cam import GradCAM
from adl_tf.heatmaps.layer_cam import LayerCAM
from adl_tf.heatmaps.sharper import Averaged
from tests.heatmaps.small_network import (
    SIDE,
    InNumPy,
    noise_images,
    one_hot,
    small_network,
    softmax,
)

CLASS_IDS = np.array([3, 1])


def stretched(maps):
    low, high = (f(maps, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    return (maps - low) / (high - low)


@pytest.mark.parametrize("background", [0.0, (0.3, 0.8)])
@pytest.mark.parametrize("last", [None, "sigmoid"])
def test_faithfulness(background, last):
    model = small_network(activation=last)
    plain = InNumPy(model)
    images = noise_images()
    heatmaps = np.random.default_rng(4).random((2, SIDE, SIDE), np.float32)

    def probability(masks):
        masks = np.float64(masks)[..., None]
        logits = plain.logits(masks * images + (1 - masks) * background)
        if last == "sigmoid":
            return (1 / (1 + np.exp(-logits)))[[0, 1], CLASS_IDS]
        return softmax(logits)[[0, 1], CLASS_IDS]

    whole, of_map = probability(np.ones((2, SIDE, SIDE))), probability(heatmaps)
    # Five parts of 36 pixels: eight at a time, and four at last.
    counts = [0, 8, 16, 24, 32, 36]
    curves = {"deletion": [], "insertion": []}
    for count in counts:
        hidden = np.zeros((2, SIDE * SIDE))
        for image in range(2):
            order = np.argsort(-heatmaps[image].ravel())
            hidden[image, order[:count]] = 1
        hidden = hidden.reshape(2, SIDE, SIDE)
        curves["deletion"].append(probability(1 - hidden))
        curves["insertion"].append(probability(hidden))
    expected = {
        "average_drop": np.maximum(whole - of_map, 0) / whole,
        "increase": whole < of_map,
        **{
            name: np.trapezoid(curve, np.array(counts) / 36, axis=0)
            for name, curve in curves.items()
        },
    }
    probe = GradCAM(model).probe(ops.convert_to_tensor(images))
    found = faithfulness(
        probe,
        ops.convert_to_tensor(images),
        ops.convert_to_tensor(heatmaps),
        ops.convert_to_tensor(CLASS_IDS),
        background,
        steps=5,
    )
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[name]), values, rtol=1e-4, atol=1e-6
        )


def test_the_mirrored_image_counts_too():
    model = small_network()
    plain, images = InNumPy(model), noise_images()

    def layer_cam(images):
        gradient = plain.gradient(images, one_hot(CLASS_IDS))
        positive = np.maximum(gradient, 0)
        return stretched((plain.features(images) * positive).sum(-1))

    mirrored = layer_cam(images[:, :, ::-1])[:, :, ::-1]
    expected = (layer_cam(images) + mirrored) / 2
    heatmap = Averaged(LayerCAM(model))
    np.testing.assert_allclose(
        ops.convert_to_numpy(heatmap(images, CLASS_IDS)), expected, atol=1e-4
    )
    predicted = plain.logits(images).argmax(axis=1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(heatmap(images)),
        ops.convert_to_numpy(heatmap(images, predicted)),
        rtol=1e-5,
    )


def test_probabilities_are_those_of_the_image_as_it_is():
    model = small_network()
    images = ops.convert_to_tensor(noise_images())
    probabilities, _ = Averaged(LayerCAM(model)).probabilities_and_maps(
        images, ops.convert_to_tensor(CLASS_IDS)
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(probabilities),
        softmax(InNumPy(model).logits(noise_images())),
        rtol=1e-4,
    )


def test_images_of_several_sizes():
    inputs = keras.Input((None, None, 2))
    features = layers.Conv2D(3, 3, padding="same", activation="relu")(inputs)
    pooled = layers.GlobalAveragePooling2D()(features)
    model = keras.Model(inputs, layers.Dense(4)(pooled))
    images = noise_images()

    def one(images):
        return stretched(ops.convert_to_numpy(EigenCAM(model)(images)))

    larger = np.stack([enlarge(each, 12) for each in images])
    small = np.stack([enlarge(each, 12) for each in one(images)])
    maps = Averaged(EigenCAM(model), flip=False, scales=(1, 2))(images)
    np.testing.assert_allclose(
        ops.convert_to_numpy(maps),
        (stretched(small) + one(larger)) / 2,
        atol=0.02,
    )
    with pytest.raises(ValueError, match="takes images of any size"):
        Averaged(GradCAM(small_network()), scales=(1, 2))


def enlarge(image, side):
    import cv2

    return cv2.resize(image, (side, side))
