"""One pass of a trained network over a test set."""

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
from adl_tf.evaluation.scoring import ClassAnswers
from adl_tf.exported.description import not_exported, read_description
from adl_tf.heatmaps.named import make_heatmap
from adl_tf.native_messages import native_messages


@dataclasses.dataclass(frozen=True)
class Network:
    """A classifier that localises, wherever it comes from.

    Attributes:
        answer: Function from uint8 images `(batch, height, width, 3)` and
            class numbers `(batch,)` to probabilities `(batch, classes)` and
            maps `(batch, h, w)` of these classes.
        num_classes: Number of classes.
        input_size: Side of the images in pixels.
    """

    answer: Callable
    num_classes: int
    input_size: int


def evaluate(network, scoring, batch_size):
    """Classifies and localises every image.

    Each image goes through the network once. Its heatmap is that of its
    true class: where the class answer is right, the two are one.

    Args:
        network: `Network`.
        scoring: `Scoring`, which is given the heatmaps.
        batch_size: Number of images in a step.

    Returns:
        `ClassAnswers`.

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
    )

    workers = os.cpu_count()

    def score(share):
        for index, class_map, file_size in share:
            heatmap = protocol.heatmap(class_map, scoring.input_size)
            scoring.add(index, heatmap, file_size)

    answered, waiting, first = [], [], 0
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
            probabilities, maps = network.answer(
                images, examples.labels[numbers]
            )
            answered.append(ClassAnswers.of(probabilities.numpy()))
            for future in waiting:
                future.result()
            found = list(zip(numbers, maps.numpy(), file_sizes.numpy()))
            waiting = [
                pool.submit(score, found[worker::workers])
                for worker in range(workers)
            ]
            first = numbers.stop
            bar.update(len(numbers))
        for future in waiting:
            future.result()
    return ClassAnswers.joined(answered)


def keras_network(model, heatmap="cam"):
    """A trained model, for `evaluate`.

    Args:
        model: Keras model of `build_model` with a square input, which is what
            protocols show. Its weights are taken as they are now.
        heatmap: Name of a heatmap, a key of `adl_tf.heatmaps.named.HEATMAPS`.

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
    localize = make_heatmap(heatmap, model).probabilities_and_maps
    weights = [
        (variable, keras.ops.convert_to_numpy(variable))
        for variable in model.variables
    ]

    @tf.function(reduce_retracing=True)
    def answer(images, class_ids):
        # With constant weights TensorFlow folds those of normalization into
        # the convolutions: an eighth of MobileNetV1's time on a CPU.
        constants = [(each, tf.constant(value)) for each, value in weights]
        with keras.StatelessScope(state_mapping=constants):
            return localize(tf.cast(images, "float32"), class_ids)

    return Network(answer, model.output_shape[-1], height)


def saved_network(path):
    """An exported model, for `evaluate`.

    Its heatmaps are those of its own graph: enlarged and stretched already.

    Args:
        path: Folder of the SavedModel or the TensorFlow Lite model.

    Returns:
        `Network`.

    Raises:
        DataError: If the folder is no model that `adl_tf.export` wrote.
    """
    about = read_description(path)
    num_classes, input_size = len(about.class_names), about.input_size
    lite = os.path.join(path, "model.tflite")
    if os.path.isfile(lite):
        return Network(_lite_answer(lite), num_classes, input_size)
    try:
        loaded = tf.saved_model.load(path)
        localize = loaded.signatures["localize"]
    except (OSError, KeyError, ValueError) as error:
        raise not_exported(path) from error

    @tf.function(reduce_retracing=True)
    def answer(images, class_ids):
        # The signature takes files; PNG loses nothing.
        image_bytes = tf.map_fn(
            tf.io.encode_png, images, fn_output_signature=tf.string
        )
        found = localize(
            image_bytes=image_bytes, class_id=tf.cast(class_ids, tf.int32)
        )
        return found["probabilities"], found["heatmap"]

    answer.loaded = loaded  # A signature alone does not keep its weights.
    return Network(answer, num_classes, input_size)


def _lite_answer(path):
    # A library beside TensorFlow, which other models need not load.
    from ai_edge_litert.interpreter import Interpreter

    with native_messages():  # It tells which delegate it made.
        interpreter = Interpreter(path, num_threads=os.cpu_count())
        localize = interpreter.get_signature_runner("localize")

    def answer(images, class_ids):
        found = [
            localize(images=image[None], class_id=np.int32([class_id]))
            for image, class_id in zip(images.numpy(), class_ids)
        ]
        return tuple(
            tf.constant(np.concatenate([row[name] for row in found]))
            for name in ("probabilities", "heatmap")
        )

    return answer


def _check(examples, num_classes):
    for image_id, label in zip(examples.image_ids, examples.labels):
        if label >= num_classes:
            raise DataError(
                f"image {image_id} is of class {label}, and the model knows "
                f"classes 0-{num_classes - 1}"
            )
