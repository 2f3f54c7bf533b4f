"""Momentum of batch normalization, held against where each network is from."""

import keras
import numpy as np
import pytest

from adl_tf.models.classifier import build_classifier

SMALL = (32, 32, 3)


def normalizations(backbone, **options):
    model, _, _ = build_classifier(backbone, 5, None, SMALL, **options)
    return [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


@pytest.mark.parametrize(
    ("backbone", "options", "momentum", "epsilon"),
    [
        # The authors' code has 0.9; PyTorch's 0.1 of the new is the same.
        ("resnet50", {"variant": "pytorch"}, 0.9, 1e-5),
        ("resnet50", {"variant": "tensorpack"}, 0.9, 1e-5),
        ("resnet50_se", {"variant": "tensorpack"}, 0.9, 1e-5),
        # Momentum theirs, epsilon of Keras's weights.
        ("resnet50", {"variant": "keras"}, 0.9, 1.001e-5),
        # SPG's code: PyTorch's 0.1, and an epsilon of its own.
        ("inception_v3", {"variant": "pytorch"}, 0.9, 1e-3),
        ("inception_v3", {"variant": "keras"}, 0.9, 1e-3),
        # No recipe was published: Keras's own.
        ("mobilenet_v1", {}, 0.99, 1e-3),
        ("keras:DenseNet121", {}, 0.99, 1.001e-5),
        # Ours.
        ("small_cnn", {}, 0.9, 1e-3),
    ],
)
def test_momentum(backbone, options, momentum, epsilon):
    layers = normalizations(backbone, **options)
    assert layers
    assert {layer.momentum for layer in layers} == {momentum}
    assert {layer.epsilon for layer in layers} == {epsilon}


def test_vgg_gap_has_none():
    assert not normalizations("vgg_gap")


@pytest.mark.parametrize("backbone", ["inception_v3", "resnet50"])
def test_averages_move_as_in_pytorch(backbone):
    torch = pytest.importorskip("torch")
    layer = normalizations(backbone)[0]
    channels = layer.gamma.shape[0]
    theirs = torch.nn.BatchNorm2d(channels, eps=layer.epsilon)
    generator = np.random.default_rng(0)
    for _ in range(3):
        features = generator.normal(2, 3, (4, 8, 8, channels))
        layer(features.astype("float32"), training=True)
        theirs(torch.tensor(features.transpose(0, 3, 1, 2)).float())
    np.testing.assert_allclose(
        layer.moving_mean, theirs.running_mean.numpy(), rtol=1e-4
    )
    # PyTorch divides by one less than the number of values.
    np.testing.assert_allclose(
        layer.moving_variance, theirs.running_var.numpy(), rtol=1e-2
    )
