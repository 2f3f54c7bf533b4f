"""Figure 2: self-attention map and drop mask of each layer."""

import collections

import keras
import numpy as np
import tensorflow as tf

from adl_tf.datasets import pipeline
from adl_tf.errors import UsageError
from adl_tf.layers.adl import ADLLayer, adl_maps
from adl_tf.workdir.trained import load_trained
from experiments.attention import layer_outputs
from experiments.panels import Panel, figure


def draw_maps(settings, examples, layers, count, colours="viridis"):
    """Maps of test images, as at inference.

    Args:
        settings: Settings of the run.
        examples: `Examples` of its test split.
        layers: List of names of layers, a regular expression, or `None` for
            those that ADL follows.
        count: Number of images, each of another class as far as they go.
        colours: Colour map of the maps.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        UsageError: If there is no such layer, or no ADL in the run.
        DataError: If the run was not trained.
    """
    model = load_trained(settings)
    gammas = {
        layer.name.removesuffix("_adl"): layer.gamma
        for layer in model.layers
        if isinstance(layer, ADLLayer)
    }
    layers = layers or list(gammas)
    if not layers:
        raise UsageError(
            f"--workdir={settings.workdir} has no ADL: name --layers"
        )
    # Where ADL is not, the same threshold as where it is.
    usual = max(gammas.values(), default=0.8)
    outputs = layer_outputs(model, layers)
    features = keras.Model(model.input, list(outputs.values()))
    chosen = examples.take(of_many_classes(examples.labels, count))
    batches = pipeline.test_batches(
        chosen,
        batch_size=len(chosen),
        resize_size=settings.resize_size,
        input_size=settings.input_size,
    )
    images, _ = next(iter(batches))
    values = features(tf.cast(images, "float32"), training=False)
    rows = [[Panel(image)] for image in images.numpy()]
    for name, value in zip(outputs, tf.nest.flatten(values)):
        attention, mask, _ = adl_maps(value, gammas.get(name, usual))
        maps = attention.numpy()[..., 0], mask.numpy()[..., 0]
        for row, attention, mask in zip(rows, *maps):
            image = row[0].image
            attention -= attention.min()
            heatmap = attention / max(attention.max(), 1e-12)
            row += [Panel(image, heatmap), Panel(_masked(image, mask))]
    captions = [
        chosen.class_names[label].replace("_", " ") for label in chosen.labels
    ]
    titles = [title for name in outputs for title in (name, "dropped there")]
    return figure(rows, ["image", *titles], captions, colours)


def of_many_classes(labels, count):
    """Positions of the first image of each class, then of the second, ..."""
    seen, turns = collections.Counter(), []
    for label in labels:
        turns.append(seen[label])
        seen[label] += 1
    count = min(count, len(labels))
    places = np.argsort(turns, kind="stable")[: max(count, len(seen))]
    return places[np.linspace(0, len(places) - 1, count).astype(int)]


def _masked(image, mask):
    """The image, black where the mask is 0."""
    side = len(image)
    rows, columns = (np.arange(side) * n // side for n in mask.shape)
    return (image * mask[rows][:, columns, None]).astype(np.uint8)
