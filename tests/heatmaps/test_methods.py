"""Each heatmap against its formula, written down in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from adl_tf.heatmaps.eigen_cam import EigenCAM
from adl_tf.heatmaps.finer_cam import FinerCAM
from adl_tf.heatmaps.named import HEATMAPS, make_heatmap
from adl_tf.heatmaps.score_cam import ScoreCAM
from adl_tf.heatmaps.smooth_grad_cam_pp import SmoothGradCAMpp, noise_like
from tests.heatmaps.small_network import (
    InNumPy,
    enlarged,
    noise_images,
    one_hot,
    small_network,
    softmax,
)

CLASS_IDS = np.array([3, 1])


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture(scope="module")
def plain(network):
    return InNumPy(network)


def found(heatmap, class_ids=CLASS_IDS):
    maps = heatmap(noise_images(), class_ids)
    assert keras.backend.standardize_dtype(maps.dtype) == "float32"
    return ops.convert_to_numpy(maps)


def assert_same(found, expected):
    assert found.shape == expected.shape
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(
        found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


def weighted(weights, features):
    return np.einsum("bhwc,bc->bhw", features, weights)


def grad_cam(features, gradient):
    return weighted(gradient.mean((1, 2)), features)


def grad_cam_pp(features, gradient):
    return plus_plus(features, gradient, gradient**2, gradient**3)


def plus_plus(features, first, second, third):
    total = features.sum((1, 2), keepdims=True)
    alpha = second / (2 * second + total * third + 1e-6)
    weights = (alpha * np.maximum(first, 0)).sum((1, 2))
    return weighted(weights, features)


def xgrad_cam(features, gradient):
    weights = (features * gradient).sum((1, 2))
    return weighted(weights / (features.sum((1, 2)) + 1e-7), features)


def hires_cam(features, gradient):
    return (features * gradient).sum(-1)


def layer_cam(features, gradient):
    return (features * np.maximum(gradient, 0)).sum(-1)


@pytest.mark.parametrize(
    "formula",
    [grad_cam, grad_cam_pp, xgrad_cam, hires_cam, layer_cam],
    ids=lambda formula: formula.__name__,
)
def test_formulas_of_gradients(network, plain, formula):
    expected = formula(
        plain.features(noise_images()),
        plain.gradient(noise_images(), one_hot(CLASS_IDS)),
    )
    heatmap = make_heatmap(formula.__name__, network)
    assert_same(found(heatmap), expected)


def test_smooth_grad_cam_pp(network, plain):
    heatmap = SmoothGradCAMpp(network, samples=3, noise=0.2, seed=7)
    images = noise_images()
    spread = np.ptp(images, axis=(1, 2, 3)).reshape(-1, 1, 1, 1)
    gradients = []
    for sample in range(3):
        noise = ops.convert_to_numpy(noise_like(images, 7 + sample))
        noisy = images + 0.2 * spread * noise
        gradients.append(plain.gradient(noisy, one_hot(CLASS_IDS)))
    powers = [np.mean([g**p for g in gradients], axis=0) for p in (1, 2, 3)]
    assert_same(found(heatmap), plus_plus(plain.features(images), *powers))


def test_noise_is_normal_and_repeats():
    noise = ops.convert_to_numpy(noise_like(np.zeros((2, 40, 40, 3)), 5))
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
    again = ops.convert_to_numpy(noise_like(np.zeros((2, 40, 40, 3)), 5))
    np.testing.assert_array_equal(noise, again)


@pytest.mark.parametrize("centred", [False, True])
def test_eigen_cam(network, plain, centred):
    expected = []
    for features in plain.features(noise_images()):
        matrix = features.reshape(-1, features.shape[-1])
        if centred:
            matrix = matrix - matrix.mean(axis=0)
        *_, directions = np.linalg.svd(matrix)
        projection = matrix @ directions[0]
        extreme = projection.max() + projection.min()
        turned = extreme if centred else projection.sum()
        expected.append(np.sign(turned) * projection.reshape(4, 4))
    heatmap = EigenCAM(network, centred=centred)
    assert_same(found(heatmap), np.array(expected))


def test_eigen_cam_of_more_channels_than_places():
    from adl_tf.heatmaps.eigen_cam import first_component

    features = np.random.default_rng(0).random((2, 2, 3, 9), np.float32)
    for centred in (False, True):
        maps = ops.convert_to_numpy(
            first_component(ops.convert_to_tensor(features), centred)
        )
        for found_map, values in zip(maps, features):
            matrix = np.float64(values).reshape(6, 9)
            matrix = matrix - centred * matrix.mean(axis=0)
            left, lengths, _ = np.linalg.svd(matrix)
            expected = lengths[0] * left[:, 0].reshape(2, 3)
            sign = np.sign((found_map * expected).sum())
            np.testing.assert_allclose(found_map, sign * expected, atol=1e-5)


@pytest.mark.parametrize("background", [0.0, (0.3, 0.8)])
def test_score_cam(network, plain, background):
    images, features = noise_images(), plain.features(noise_images())
    scores = np.zeros((2, 3))
    for image, channel in np.ndindex(2, 3):
        mask = enlarged(features[image, :, :, channel])[..., None]
        masked = mask * images[image] + (1 - mask) * np.array(background)
        logits = plain.logits(masked[None])
        scores[image, channel] = logits[0, CLASS_IDS[image]]
    heatmap = ScoreCAM(network, background=background, batch_size=2)
    assert_same(found(heatmap), weighted(softmax(scores), features))


def test_ablation_cam(network, plain):
    features = plain.features(noise_images())
    before = plain.head(features)[[0, 1], CLASS_IDS][:, None]
    without = np.zeros((2, 3))
    for channel in range(3):
        ablated = features.copy()
        ablated[..., channel] = 0
        without[:, channel] = plain.head(ablated)[[0, 1], CLASS_IDS]
    weights = (before - without) / np.abs(before)
    heatmap = make_heatmap("ablation_cam", network)
    assert_same(found(heatmap), weighted(weights, features))


def test_finer_cam(network, plain):
    images = noise_images()
    logits = plain.logits(images)

    def score(logits):
        """As the authors' code: the class's own place is the first."""
        total = np.zeros(len(logits))
        for image, row in enumerate(logits):
            own = row[CLASS_IDS[image]]
            nearest = np.argsort(np.abs(row - own), kind="stable")[1:3]
            p = softmax(row)[nearest]
            total[image] = (p * (own - 0.6 * row[nearest])).sum() / p.sum()
        return total

    direction = np.zeros_like(logits)
    for label in range(logits.shape[1]):
        step = 1e-6 * one_hot([label, label])
        change = score(logits + step) - score(logits - step)
        direction[:, label] = change / 2e-6
    expected = grad_cam(
        plain.features(images), plain.gradient(images, direction)
    )
    heatmap = FinerCAM(network, strength=0.6, similar=2)
    assert_same(found(heatmap), expected)


def test_finer_cam_without_strength_is_grad_cam_of_the_class(network):
    finer = FinerCAM(network, strength=0.0)
    assert_same(found(finer), found(make_heatmap("grad_cam", network)))


@pytest.mark.parametrize("name", sorted(HEATMAPS.keys() - {"cam"}))
def test_predicted_class_relu_and_no_such_class(network, plain, name):
    if name == "attention_rollout":
        with pytest.raises(ValueError, match="needs a model with attention"):
            make_heatmap(name, network)(noise_images())
        return
    predicted = plain.logits(noise_images()).argmax(axis=1)
    heatmap = make_heatmap(name, network)
    maps = found(heatmap, predicted)
    np.testing.assert_allclose(found(heatmap, None), maps, rtol=1e-5)
    positive = make_heatmap(name, network, relu=True)
    np.testing.assert_allclose(
        found(positive, predicted), np.maximum(maps, 0), rtol=1e-4, atol=1e-6
    )
    with pytest.raises(ValueError, match="integers from 0 to 3"):
        heatmap(noise_images(), [0, 4])


def test_several_layers_are_stretched_and_averaged():
    inputs = keras.Input((8, 8, 3))
    first = keras.layers.Conv2D(4, 3, padding="same", name="fine")(inputs)
    pooled = keras.layers.MaxPooling2D(2)(first)
    last = keras.layers.Conv2D(5, 3, padding="same", name="coarse")(pooled)
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(last))
    model = keras.Model(inputs, logits)
    images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)

    def maps(layer):
        heatmap = make_heatmap("layer_cam", model, layer=layer)
        return ops.convert_to_numpy(heatmap(images, [0, 2]))

    # The order of the names is not that of the graph.
    for fused, fine, coarse in zip(
        maps(["coarse", "fine"]), maps("fine"), maps("coarse")
    ):
        import cv2

        coarse = cv2.resize(coarse, (8, 8))
        stretched = [
            (each - each.min()) / np.ptp(each) for each in (fine, coarse)
        ]
        np.testing.assert_allclose(fused, np.mean(stretched, axis=0), atol=1e-5)


def test_unknown_name(network):
    with pytest.raises(ValueError, match="must be one of cam, grad_cam, "):
        make_heatmap("gradcam", network)
