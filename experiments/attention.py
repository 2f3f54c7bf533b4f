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
        percent, `border` (of the places of the map), `strongest_at_border` (of
        the images) and `hidden` (of the places, mean over the images).

    Raises:
        UsageError: If there is no such layer with a map.
    """
    outputs = {
        name: output
        for name, output in layer_outputs(model, layers).items()
        if len(output.shape) == 4
    }
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
        answers = features(tf.cast(images, "float32"), training=False)
        for name, answer in zip(outputs, tf.nest.flatten(answers)):
            attention, mask, _ = adl_maps(answer, gamma)
            strongest[name].extend(_at_border(attention.numpy()[..., 0]))
            hidden[name].extend(1 - mask.numpy().mean(axis=(1, 2, 3)))
    rows = []
    for name, output in outputs.items():
        height, width = output.shape[1:3]
        inner = max(0, height - 2) * max(0, width - 2)
        rows.append(
            {
                "layer": name,
                "height": height,
                "width": width,
                "border": 100 * (1 - inner / (height * width)),
                "strongest_at_border": 100 * float(np.mean(strongest[name])),
                "hidden": 100 * float(np.mean(hidden[name])),
            }
        )
    return rows


def layer_outputs(model, layers):
    """Keras tensors of the layers that --layers names.

    Args:
        model: Functional Keras model.
        layers: As of `attention_places`.

    Returns:
        Dictionary from names to tensors.

    Raises:
        UsageError: If there is no such layer.
    """
    try:
        return {
            name: model.get_layer(name).output
            for name in find_layers(model, layers)
        }
    except ValueError as error:
        raise UsageError(f"--layers: {error}") from error


def _at_border(attention):
    """Whether the largest value of each map is in its outermost ring."""
    batch, height, width = attention.shape
    rows, columns = np.divmod(
        attention.reshape(batch, -1).argmax(axis=1), width
    )
    at_edge = (rows % (height - 1) == 0) if height > 1 else rows == 0
    at_side = (columns % (width - 1) == 0) if width > 1 else columns == 0
    return at_edge | at_side
