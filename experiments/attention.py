"""Statistics of the self-attention maps of a network's layers."""

import math

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from adl_tf.datasets import pipeline
from adl_tf.errors import UsageError
from adl_tf.layers.adl import adl_maps
from adl_tf.models.surgery import find_layers

BATCH_SIZE = 16


def attention_places(model, layers, examples, settings, gamma, count):
    """Where the strongest attention is, and how much ADL would hide.

    Args:
        model: Functional Keras model from images.
        layers: List of names, or a regular expression that has to match
            whole names.
        examples: `Examples`.
        settings: `Settings`.
        gamma: Threshold of the drop mask.
        count: Number of images, spread evenly.

    Returns:
        List of dictionaries, one a layer: `layer`, `height`, `width` and, in
        percent, `border` (of the positions of the map), `strongest_at_border`
        (of the images) and `hidden` (of the positions, mean over the images).

    Raises:
        UsageError: If there is no such layer with a map.
    """
    outputs = layer_outputs(model, layers)
    outputs = {n: output for n, output in outputs.items() if output.ndim == 4}
    if not outputs:
        raise UsageError("--layers: none of these layers has a map")
    features = keras.Model(model.input, list(outputs.values()))
    places = np.linspace(0, len(examples) - 1, min(count, len(examples)))
    batches = pipeline.test_batches(
        examples.take(places.round().astype(int)),
        batch_size=BATCH_SIZE,
        resize_size=settings.resize_size,
        input_size=settings.input_size,
    )
    number = math.ceil(len(places) / BATCH_SIZE)
    strongest = {name: [] for name in outputs}
    hidden = {name: [] for name in outputs}
    for images, _ in tqdm(batches, "batches", number, disable=None):
        values = features(tf.cast(images, "float32"), training=False)
        for name, value in zip(outputs, tf.nest.flatten(values)):
            attention, mask, _ = adl_maps(value, gamma)
            strongest[name].extend(_at_border(attention.numpy()[..., 0]))
            hidden[name].extend(1 - mask.numpy().mean(axis=(1, 2, 3)))
    return [
        {
            "layer": name,
            "height": output.shape[1],
            "width": output.shape[2],
            "border": 100 * _border(*output.shape[1:3]).mean(),
            "strongest_at_border": 100 * float(np.mean(strongest[name])),
            "hidden": 100 * float(np.mean(hidden[name])),
        }
        for name, output in outputs.items()
    ]


def layer_outputs(model, layers):
    """Dictionary from the layers that --layers names to their Keras tensors.

    Raises:
        UsageError: If there is no such layer.
    """
    try:
        names = find_layers(model, layers)
    except ValueError as error:
        raise UsageError(f"--layers: {error}") from error
    return {name: model.get_layer(name).output for name in names}


def _border(height, width):
    """Bool array `(height, width)`: the outermost ring."""
    border = np.ones((height, width), bool)
    border[1:-1, 1:-1] = False
    return border


def _at_border(attention):
    """Whether the largest value of each map is in its outermost ring."""
    flat = attention.reshape(len(attention), -1)
    return _border(*attention.shape[1:]).ravel()[flat.argmax(axis=1)]
