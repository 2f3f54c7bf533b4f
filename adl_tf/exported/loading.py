"""Loading of exported models, SavedModel and TensorFlow Lite alike."""

import os

import numpy as np
import tensorflow as tf

from adl_tf.errors import DataError
from adl_tf.exported.box_in_graph import boxes_above
from adl_tf.exported.description import (
    CLASS_NAMES,
    not_exported,
    read_description,
)
from adl_tf.exported.tflite import FILE_NAME
from adl_tf.native_messages import native_messages


def load_exported(folder):
    """Loads a model that `adl_tf.export` wrote, in either format.

    Args:
        folder: Folder of the model.

    Returns:
        `ExportedModel`.

    Raises:
        DataError: If the folder holds no exported model.
    """
    description = read_description(folder)
    lite = os.path.join(folder, FILE_NAME)
    try:
        if os.path.isfile(lite):
            localize, num_classes = _tflite_function(lite)
        else:
            localize, num_classes = _saved_model_function(folder)
    except (OSError, KeyError, ValueError, tf.errors.OpError) as error:
        raise not_exported(folder) from error
    if num_classes != len(description.class_names):
        raise DataError(
            f"{os.path.join(folder, CLASS_NAMES)} has "
            f"{len(description.class_names):,} names for {num_classes:,} "
            "classes of the model: export it again"
        )
    return ExportedModel(description, localize)


class ExportedModel:
    """An exported model that localises decoded images.

    Args:
        description: `Description`.
        localize: Function from uint8 images `(batch, input_size, input_size,
            3)` and int32 classes `(batch,)` to the outputs of the model.

    Attributes:
        description: As given.
    """

    def __init__(self, description, localize):
        self.description = description
        self._localize = localize

    def __call__(self, images, class_ids, threshold=None):
        """Localises one object in each image of a batch.

        Args:
            images: uint8 images `(batch, input_size, input_size, 3)`, RGB.
            class_ids: Integers `(batch,)`: the classes to look for, -1 for
                the most probable one.
            threshold: Float in [0, 1], or `None` for the exported one.

        Returns:
            Dictionary of arrays: `class_id` `(batch,)`, `probability`
            `(batch,)`, `probabilities` `(batch, classes)`, `heatmap` `(batch,
            input_size, input_size)` and `box` `(batch, 4)`, in pixels of the
            input.
        """
        outputs = self._localize(images, np.asarray(class_ids, np.int32))
        outputs = {name: np.asarray(each) for name, each in outputs.items()}
        if threshold is not None:
            protocol = self.description.protocol
            outputs["box"] = boxes_above(
                tf.constant(outputs["heatmap"]),
                tf.fill((len(outputs["heatmap"]),), float(threshold)),
                protocol.levels,
                protocol.largest_by == "rectangle",
            ).numpy()
        return outputs


def _saved_model_function(folder):
    """Function from images and classes to outputs, and number of classes."""
    loaded = tf.saved_model.load(folder)
    signatures = loaded.signatures
    if "localize_images" in signatures:
        localize = signatures["localize_images"]
    else:
        localize = _through_png(signatures["localize"])

    def localize_images(images, class_ids):
        return localize(
            images=tf.constant(images), class_id=tf.constant(class_ids)
        )

    # A signature alone does not keep its variables alive.
    localize_images.loaded = loaded
    outputs = signatures["localize"].structured_outputs
    return localize_images, outputs["probabilities"].shape[-1]


def _through_png(localize):
    """Stands in for `localize_images`, which exports of 0.1.0 lack."""

    @tf.function(reduce_retracing=True)
    def localize_images(images, class_id):
        image_bytes = tf.map_fn(
            tf.io.encode_png, images, fn_output_signature=tf.string
        )
        return localize(image_bytes=image_bytes, class_id=class_id)

    return localize_images


def _tflite_function(path):
    """As `_saved_model_function`, for a TensorFlow Lite model."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise DataError(
            f"{path} needs a package beside TensorFlow: pip install "
            "'adl-tf[tflite]'"
        ) from error
    with native_messages():  # LiteRT writes which delegate it made.
        interpreter = Interpreter(path, num_threads=os.cpu_count())
        localize = interpreter.get_signature_runner("localize")

    def localize_images(images, class_ids):
        rows = [
            localize(images=image[None], class_id=np.int32([class_id]))
            for image, class_id in zip(np.asarray(images), class_ids)
        ]
        return {
            name: np.concatenate([row[name] for row in rows])
            for name in rows[0]
        }

    outputs = localize.get_output_details()
    return localize_images, outputs["probabilities"]["shape"][-1]
