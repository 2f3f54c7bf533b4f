"""Statistics of the self-attention maps of a network's layers."""

import re

import keras
import numpy as np
import tensorflow as tf

from adl_tf.datasets import pipeline
from adl_tf.errors import UsageError
from adl_tf.layers.adl import adl_maps

BATCH_SIZE = 16


def attention_places(model, layers, examples, settings, gamma, count):
    """Where the strongest attention is, and how much ADL would hide.

    Args:
        model: Functional Keras model from pictures.
        layers: Names separated by commas, or a regular expression that has to
            match whole names.
        examples: `Examples`.
        settings: Namespace with `resize_size` and `input_size`.
        gamma: Threshold of the drop mask.
        count: Number of pictures, spread evenly.

    Returns:
        List of dictionaries, one a layer: `layer`, `height`, `width` and, in
        percent, `border` (of the places of the map), `strongest_at_border` (of
        the pictures) and `hidden` (of the places, mean over the pictures).

    Raises:
        UsageError: If there is no such layer with a map.
    """
    outputs = {
        layer.name: layer.output
        for layer in model.layers
        if _is_named(layer.name, layers) and len(layer.output.shape) == 4
    }
    if not outputs:
        raise UsageError(
            f"--layers={layers}: no layer of that name has a map; python -m "
            "adl_tf.models lists them"
        )
    features = keras.Model(model.input, list(outputs.values()))
    places = np.linspace(0, len(examples) - 1, min(count, len(examples)))
    batches = pipeline.test_batches(
        examples.take(places.round().astype(int)),
        batch_size=BATCH_SIZE,
        resize_size=settings.resize_size,
        input_size=settings.input_size,
    )
    strongest = {name: [] for name in outputs}
    hidden = {name: [] for name in outputs}
    for images, _ in batches:
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


def _is_named(name, layers):
    if "," in layers:
        return name in [each.strip() for each in layers.split(",")]
    return bool(re.fullmatch(layers, name))


def _at_border(attention):
    """Whether the largest value of each map is in its outermost ring."""
    batch, height, width = attention.shape
    rows, columns = np.divmod(
        attention.reshape(batch, -1).argmax(axis=1), width
    )
    at_edge = (rows % (height - 1) == 0) if height > 1 else rows == 0
    at_side = (columns % (width - 1) == 0) if width > 1 else columns == 0
    return at_edge | at_side
