"""Evaluation of a trained network on a test set."""

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from adl_tf.datasets import pipeline
from adl_tf.errors import DataError
from adl_tf.evaluation.predictions import Predictions
from adl_tf.exported.loading import load_exported
from adl_tf.heatmaps.class_maps import class_activation_maps
from adl_tf.heatmaps.faithfulness import faithfulness
from adl_tf.heatmaps.named import make_heatmap
from adl_tf.methods.acol import erases_prediction, erasing_given_class
from adl_tf.models.preprocessing import MEAN_COLOUR


@dataclasses.dataclass(frozen=True)
class Network:
    """A classifier that localises, trained here or exported.

    Attributes:
        localize: Function from uint8 images `(batch, height, width, 3)` and
            class numbers `(batch,)` to probabilities `(batch, classes)` and
            class maps `(batch, h, w)` of these classes.
        num_classes: Number of classes.
        input_size: Side of the images in pixels.
        faithfulness: Function from uint8 images, heatmaps `(batch, height,
            width)` in [0, 1] and class numbers to what
            `adl_tf.heatmaps.faithfulness` returns; `None` for an
            exported model.
    """

    localize: Callable
    num_classes: int
    input_size: int
    faithfulness: Callable | None = None


def evaluate(network, scoring, batch_size):
    """Classifies and localises every image.

    Each image goes through the network once. Its heatmap is that of its
    true class, which is the predicted one where that is right.

    Args:
        network: `Network`.
        scoring: `Scoring`, which is given the heatmaps.
        batch_size: Number of images in a step.

    Returns:
        `Predictions`.

    Raises:
        DataError: If an image cannot be read, or its class is not one of
            the model's.
    """
    examples, protocol = scoring.examples, scoring.protocol
    _check(examples, network.num_classes)
    batches = pipeline.test_batches(
        examples,
        batch_size=batch_size,
        input_size=scoring.input_size,
        resize_size=scoring.resize_size,
        warp_rule=protocol.warp,
    )

    workers = os.cpu_count()

    def score(share):
        for index, class_map, file_size in share:
            heatmap = protocol.heatmap(class_map, scoring.input_size)
            scoring.add(index, heatmap, file_size)

    predictions, waiting, first = [], [], 0
    bar = tqdm(total=len(examples), desc="scoring", leave=False, disable=None)
    # Boxes of one batch are found, outside Python's lock, while the network
    # sees the next.
    with (
        pipeline.bad_image_named(examples),
        ThreadPoolExecutor(workers) as pool,
        bar,
    ):
        for images, file_sizes in batches:
            numbers = range(first, first + len(images))
            probabilities, maps = network.localize(
                images, examples.labels[numbers]
            )
            predictions.append(Predictions.of(np.asarray(probabilities)))
            for future in waiting:
                future.result()
            scored = list(zip(numbers, np.asarray(maps), file_sizes.numpy()))
            waiting = [
                pool.submit(score, scored[worker::workers])
                for worker in range(workers)
            ]
            first = numbers.stop
            bar.update(len(numbers))
        for future in waiting:
            future.result()
    return Predictions.joined(predictions)


def keras_network(model, heatmap="cam", **options):
    """A trained model, for `evaluate`.

    Args:
        model: Keras model of `build_model` with a square input, which is what
            protocols assume. Its weights are taken as they are now.
        heatmap: Name in `adl_tf.registry.HEATMAPS`.
        **options: Further arguments of `make_heatmap`.

    Returns:
        `Network`.

    Raises:
        ValueError: If the input is not square.
    """
    _, height, width, _ = model.input_shape
    if height != width:
        raise ValueError(
            "`model` must take squares, which images are warped to. "
            f"Received: model.input_shape={model.input_shape}"
        )
    localizer = make_heatmap(heatmap, model, **options)
    weights = [
        (variable, keras.ops.convert_to_numpy(variable))
        for variable in model.variables
    ]

    def with_constants(function):
        # With constant weights TensorFlow folds those of normalization into
        # the convolutions: an eighth of MobileNetV1's time on a CPU.
        @tf.function(reduce_retracing=True, autograph=False)
        def called(images, *arguments):
            constants = [(each, tf.constant(value)) for each, value in weights]
            with keras.StatelessScope(state_mapping=constants):
                return function(tf.cast(images, "float32"), *arguments)

        return called

    def measure(images, heatmaps, class_ids):
        return faithfulness(
            localizer.probe(images), images, heatmaps, class_ids, MEAN_COLOUR
        )

    return Network(
        localize=with_constants(_localize(localizer, heatmap, model)),
        num_classes=model.output_shape[-1],
        input_size=height,
        faithfulness=with_constants(measure),
    )


def _localize(localizer, heatmap, model):
    """Function from images and classes to probabilities and maps."""
    if heatmap != "cam" or not erases_prediction(model):
        return localizer.probabilities_and_maps
    erasing = erasing_given_class(model)

    def localize(images, class_ids):
        class_ids = keras.ops.cast(class_ids, "int32")
        logits, maps = erasing((images, class_ids), training=False)
        of_class = class_activation_maps(maps, None, class_ids)
        return keras.ops.softmax(logits), of_class

    return localize


def exported_network(folder):
    """An exported model, for `evaluate`.

    Its heatmaps are those of its own graph: enlarged and stretched already.

    Args:
        folder: Folder of the SavedModel or the TensorFlow Lite model.

    Returns:
        `Network`.

    Raises:
        DataError: If the folder holds no model that `adl_tf.export` wrote.
    """
    model = load_exported(folder)

    def localize(images, class_ids):
        outputs = model(images, class_ids)
        return outputs["probabilities"], outputs["heatmap"]

    description = model.description
    return Network(
        localize, len(description.class_names), description.input_size
    )


def _check(examples, num_classes):
    for image_id, label in zip(examples.image_ids, examples.labels):
        if label >= num_classes:
            raise DataError(
                f"image {image_id} is of class {label}, and the model knows "
                f"classes 0-{num_classes - 1}"
            )
