"""Faithfulness of a network's heatmaps to its predictions."""

import numpy as np
from tqdm import tqdm

from adl_tf.datasets import pipeline
from adl_tf.errors import DataError


def measure_faithfulness(network, scoring, batch_size):
    """Hides parts of every image, and classifies it again.

    The heatmaps are those that `evaluate` scores, of the true class.

    Args:
        network: `Network`.
        scoring: `Scoring`; its images and its protocol are used.
        batch_size: Number of images in a step.

    Returns:
        Dictionary of means in percent: `average_drop`, `increase`,
        `deletion`, `insertion` (see `adl_tf.heatmaps.faithfulness`).

    Raises:
        DataError: If an image cannot be read, or the network is an exported
            one.
    """
    if network.faithfulness is None:
        raise DataError(
            "faithfulness needs a network of Keras, not an exported one"
        )
    examples, size = scoring.examples, scoring.input_size
    batches = pipeline.test_batches(
        examples,
        batch_size=batch_size,
        input_size=size,
        resize_size=scoring.resize_size,
    )
    found, first = [], 0
    bar = tqdm(total=len(examples), desc="hiding", leave=False, disable=None)
    with pipeline.bad_image_named(examples), bar:
        for images, _ in batches:
            labels = examples.labels[first : first + len(images)]
            _, maps = network.localize(images, labels)
            heatmaps = np.stack(
                [scoring.protocol.heatmap(each, size) for each in maps.numpy()]
            )
            measured = network.faithfulness(images, heatmaps, labels)
            found.append({name: v.numpy() for name, v in measured.items()})
            first += len(images)
            bar.update(len(images))
    return {
        name: 100 * float(np.concatenate([each[name] for each in found]).mean())
        for name in found[0]
    }
