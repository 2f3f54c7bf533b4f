"""Heatmaps of transformers: grids from tokens, and attention rollout."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from adl_tf.heatmaps.attention_rollout import AttentionRollout
from adl_tf.heatmaps.grad_cam import GradCAM
from adl_tf.heatmaps.layer_cam import LayerCAM
from adl_tf.heatmaps.places import grid_of

TOKENS, CHANNELS = 6, 8


class ClassToken(layers.Layer):
    def build(self, shape):
        self.token = self.add_weight(
            shape=(1, 1, shape[-1]), initializer="random_normal", name="token"
        )

    def call(self, tokens):
        first = ops.broadcast_to(
            self.token, (ops.shape(tokens)[0], 1, CHANNELS)
        )
        return ops.concatenate([first, tokens], axis=1)


class Block(layers.Layer):
    """Attention in a layer, as in KerasHub's transformers."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.norm = layers.LayerNormalization(name="norm")
        self.attention = layers.MultiHeadAttention(2, 4, name="attention")
        self.dense = layers.Dense(CHANNELS, activation="tanh", name="dense")

    def build(self, shape):
        self.norm.build(shape)
        self.attention.build(shape, shape)
        self.dense.build(shape)

    def call(self, tokens):
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed)
        return tokens + self.dense(tokens)


def transformer(class_token=True, blocks_as_layers=True):
    """Of images of 8x12 pixels in patches of 4x4."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8, 12, 3))
    patches = layers.Conv2D(CHANNELS, 4, strides=4, name="patches")(inputs)
    tokens = layers.Reshape((TOKENS, CHANNELS))(patches)
    if class_token:
        tokens = ClassToken()(tokens)
    for number in range(2):
        if blocks_as_layers:
            tokens = Block(name=f"block{number}")(tokens)
            continue
        normed = layers.LayerNormalization(name=f"norm{number}")(tokens)
        attention = layers.MultiHeadAttention(2, 4, name=f"attention{number}")
        tokens = layers.Add()([tokens, attention(normed, normed)])
    if class_token:
        pooled = tokens[:, 0]
    else:
        pooled = layers.GlobalAveragePooling1D()(tokens)
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(pooled))


def images():
    return np.random.default_rng(0).random((2, 8, 12, 3), np.float32)


@pytest.mark.parametrize("blocks_as_layers", [True, False])
@pytest.mark.parametrize("class_token", [True, False])
def test_default_is_what_the_last_attention_reads(
    class_token, blocks_as_layers
):
    """Against differences of the logits, the normed tokens shifted."""
    model = transformer(class_token, blocks_as_layers)
    if blocks_as_layers:
        norm = model.get_layer("block1").norm
    else:
        norm = model.get_layer("norm1")
    maps = ops.convert_to_numpy(LayerCAM(model)(images(), [3, 1]))
    assert maps.shape == (2, 2, 3)
    logits = keras.Model(model.inputs, model.layers[-1].input)
    kernel, bias = model.layers[-1].get_weights()
    shift = np.zeros((TOKENS + class_token, CHANNELS), "float32")
    seen, original = [], norm.call

    def shifted(tokens):
        normed = original(tokens)
        seen.append(ops.convert_to_numpy(normed))
        return normed + ops.convert_to_tensor(shift)

    norm.call = shifted
    try:
        expected = np.zeros((2, TOKENS))
        for token, channel in np.ndindex(TOKENS, CHANNELS):
            change = 0.0
            for sign in (1, -1):
                shift[:] = 0
                shift[token + class_token, channel] = sign * 1e-2
                pooled = ops.convert_to_numpy(logits(images()))
                change = change + sign * (pooled @ kernel + bias)
            gradient = change[[0, 1], [3, 1]] / 2e-2
            value = seen[0][:, token + class_token, channel]
            expected[:, token] += np.maximum(gradient, 0) * value
    finally:
        norm.call = original
    np.testing.assert_allclose(
        maps.reshape(2, TOKENS),
        expected,
        atol=0.03 * np.abs(expected).max(),
    )


@pytest.mark.parametrize("blocks_as_layers", [True, False])
@pytest.mark.parametrize("class_token", [True, False])
def test_attention_rollout(class_token, blocks_as_layers):
    model = transformer(class_token, blocks_as_layers)
    maps = ops.convert_to_numpy(AttentionRollout(model)(images()))
    product = None
    for number in range(2):
        if blocks_as_layers:
            block = model.get_layer(f"block{number}")
            before = keras.Model(model.inputs, block.input)(images())
            normed, attention = block.norm(before), block.attention
        else:
            norm = model.get_layer(f"norm{number}")
            normed = keras.Model(model.inputs, norm.output)(images())
            attention = model.get_layer(f"attention{number}")
        _, weights = attention(normed, normed, return_attention_scores=True)
        weights = np.float64(ops.convert_to_numpy(weights)).mean(axis=1)
        mixed = 0.5 * weights + 0.5 * np.eye(weights.shape[-1])
        mixed /= mixed.sum(-1, keepdims=True)
        product = mixed if product is None else mixed @ product
    row = product[:, 0, 1:] if class_token else product.mean(axis=1)
    np.testing.assert_allclose(maps.reshape(2, -1), row, rtol=1e-4)


def test_patch_embedding_is_refused():
    with pytest.raises(ValueError, match="'patches' cuts the image into"):
        GradCAM(transformer(), layer="patches")(images())


def test_layer_within_a_layer():
    model = transformer()
    named = GradCAM(model, layer="block0/norm")(images(), [0, 1])
    assert tuple(named.shape) == (2, 2, 3)
    with pytest.raises(ValueError, match="2 layers have the name 'norm'"):
        GradCAM(model, layer="norm")(images(), [0, 1])
    assert tuple(GradCAM(model, layer="block0")(images()).shape) == (2, 2, 3)


@pytest.mark.parametrize(
    ("tokens", "size", "expected"),
    [
        (197, (224, 224), (1, 14, 14)),
        (196, (224, 224), (0, 14, 14)),
        (198, (224, 224), (2, 14, 14)),
        (261, (224, 224), (5, 16, 16)),
        (578, (384, 384), (2, 24, 24)),
        (7, (8, 12), (1, 2, 3)),
    ],
)
def test_grid_of_tokens(tokens, size, expected):
    assert grid_of(tokens, size) == expected


def test_no_grid():
    with pytest.raises(ValueError, match="no grid of square patches"):
        grid_of(5000, (64, 64))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ViT", "DeiT"])
def test_keras_hub(name):
    keras_hub = pytest.importorskip("keras_hub")
    arguments = {
        "image_shape": (64, 64, 3),
        "patch_size": 16 if name == "DeiT" else (16, 16),
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 16,
        "intermediate_dim" if name == "DeiT" else "mlp_dim": 32,
    }
    backbone = getattr(keras_hub.models, f"{name}Backbone")(**arguments)
    classifier = getattr(keras_hub.models, f"{name}ImageClassifier")
    model = classifier(backbone=backbone, num_classes=5)
    pixels = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    for heatmap in (GradCAM, LayerCAM, AttentionRollout):
        maps = ops.convert_to_numpy(heatmap(model)(pixels))
        assert maps.shape == (2, 4, 4)
        assert np.ptp(maps) > 0
