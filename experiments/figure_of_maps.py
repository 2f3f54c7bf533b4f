"""Figure 2: self-attention map and drop mask of each layer."""

import collections

import cv2
import keras
import numpy as np
import tensorflow as tf

from adl_tf.datasets import pipeline
from adl_tf.datasets.load import load_examples
from adl_tf.drawing import overlay_heatmap
from adl_tf.errors import UsageError
from adl_tf.layers.adl import ADLLayer, adl_maps
from adl_tf.workdir.trained import load_trained
from experiments.attention import layer_outputs
from experiments.figure_grid import grid


def draw_maps(settings, layers, count):
    """Maps of test images, as at inference.

    Args:
        settings: Namespace of flags as in the work directory's flags.cfg.
        layers: List of names of layers, a regular expression, or `None` for
            those that ADL follows.
        count: Number of images, each of another class as far as they go.

    Returns:
        uint8 RGB array.

    Raises:
        UsageError: If there is no such layer, or no ADL in the run.
        DataError: If the run was not trained.
    """
    model = load_trained(settings)
    adl_layers = {
        layer.name.removesuffix("_adl"): layer.gamma
        for layer in model.layers
        if isinstance(layer, ADLLayer)
    }
    layers = layers or list(adl_layers)
    if not layers:
        raise UsageError(
            f"--workdir={settings.workdir} has no ADL: name --layers"
        )
    # Where ADL is not, the same threshold as where it is.
    usual = max(adl_layers.values(), default=0.8)
    outputs = layer_outputs(model, layers)
    features = keras.Model(model.input, list(outputs.values()))
    examples = load_examples(
        settings.dataset, settings.data_dir, "test", settings.classes
    )
    chosen = examples.take(_of_many_classes(examples.labels, count))
    images, _ = next(
        iter(
            pipeline.test_batches(
                chosen,
                batch_size=len(chosen),
                resize_size=settings.resize_size,
                input_size=settings.input_size,
            )
        )
    )
    answers = features(tf.cast(images, "float32"), training=False)
    maps = [
        [each.numpy() for each in adl_maps(answer, adl_layers.get(name, usual))]
        for name, answer in zip(outputs, tf.nest.flatten(answers))
    ]
    rows, captions = [], []
    for number, image in enumerate(images.numpy()):
        row = [image]
        for attention, mask, _ in maps:
            row.append(overlay_heatmap(image, _scaled(attention[number])))
            row.append(_hidden(image, mask[number]))
        rows.append(row)
        captions.append(
            chosen.class_names[chosen.labels[number]].replace("_", " ")
        )
    titles = [title for name in outputs for title in (name, "dropped there")]
    return grid(rows, ["image", *titles], captions)


def _of_many_classes(labels, count):
    """Places of the first image of each class, then of the second, ..."""
    seen, turns = collections.Counter(), []
    for label in labels:
        turns.append(seen[label])
        seen[label] += 1
    count = min(count, len(labels))
    places = np.argsort(turns, kind="stable")[: max(count, len(seen))]
    return places[np.linspace(0, len(places) - 1, count).astype(int)]


def _scaled(attention):
    """A map in [0, 1], as heatmaps are."""
    attention = attention[..., 0] - attention.min()
    return attention / max(attention.max(), 1e-12)


def _hidden(image, mask):
    """The image without what the mask drops."""
    mask = cv2.resize(
        mask[..., 0], image.shape[1::-1], interpolation=cv2.INTER_NEAREST
    )
    return (image * mask[..., None]).astype(np.uint8)
