"""A trained classifier as a SavedModel."""

import os
import shutil

import tensorflow as tf

from adl_tf.exported import box_in_graph as in_graph
from adl_tf.exported import decoding
from adl_tf.exported.description import (
    LOCALIZATION,
    Description,
    write_description,
)
from adl_tf.exported.threshold import Threshold, evaluated_threshold
from adl_tf.files import check_replaceable
from adl_tf.heatmaps.class_maps import (
    class_activation_maps,
    class_kernel,
    feature_model,
)
from adl_tf.localization.protocols import protocol_named

# What is written into the folder, in either format.
_OF_AN_EXPORT = {
    "assets",
    "assets.extra",
    "fingerprint.pb",
    "model.tflite",
    "saved_model.pb",
    "variables",
}


class Localizer(tf.Module):
    """From images to class, probability, heatmap and box, in one graph.

    Args:
        model: Keras model of `build_model`.
        input_size: Side of its input in pixels.
        threshold: Share of the heatmap's range from which a pixel belongs to
            the object.
        protocol: `Protocol` whose levels and largest contour give the box.
    """

    def __init__(self, model, input_size, threshold, protocol):
        super().__init__()
        # The weights alone are exported. A module that held the Keras model
        # would add the random states of its training layers.
        self.weights = [weight.value for weight in model.weights]
        self._logits_and_features = feature_model(model)
        self._kernel = class_kernel(model)
        self.threshold = tf.Variable(
            threshold, trainable=False, name="threshold", dtype=tf.float32
        )
        self._protocol = protocol
        self.input_size = input_size

    def signatures(self):
        """Dictionary of the functions that the SavedModel serves."""
        encoded = tf.TensorSpec([None], tf.string, name="image_bytes")
        decoded = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
        class_id = tf.TensorSpec([None], tf.int32, name="class_id")
        threshold = tf.TensorSpec([None], tf.float32, name="threshold")
        functions = {
            "serving_default": (self._localize, [encoded]),
            "images": (self._from_images, [decoded]),
            "localize": (self._localize, [encoded, class_id]),
            "localize_at": (self._localize, [encoded, class_id, threshold]),
        }
        return {
            name: tf.function(function, input_signature=inputs)
            for name, (function, inputs) in functions.items()
        }

    def _from_images(self, images):
        size = tf.gather(tf.shape(images), [2, 1])
        sizes = tf.tile(size[None], [tf.shape(images)[0], 1])
        return self.answer(decoding.warp(images, self.input_size), sizes)

    def _localize(self, image_bytes, class_id=None, threshold=None):
        images, sizes = decoding.decode_images(image_bytes, self.input_size)
        batch = tf.shape(image_bytes)[0]
        if class_id is not None:
            class_id = _one_each(class_id, batch, "class_id")
        if threshold is not None:
            threshold = _one_each(threshold, batch, "threshold")
        return self.answer(images, sizes, class_id, threshold)

    def _network(self, images):
        """Logits and features of a batch, which may be empty."""
        if images.shape[0] is not None:
            return self._logits_and_features(images, training=False)
        # On processors, TensorFlow's convolutions fail without an image.
        batch = tf.shape(images)[0]
        blank = tf.zeros((tf.cast(batch == 0, tf.int32), *images.shape[1:]))
        logits, features = self._logits_and_features(
            tf.concat([images, blank], axis=0), training=False
        )
        return logits[:batch], features[:batch]

    def answer(self, images, sizes, class_id=None, threshold=None):
        """What every signature answers.

        Args:
            images: Images `(batch, input_size, input_size, 3)`.
            sizes: int32 `(batch, 2)`: width and height of the images as
                given, zeros where there is none.
            class_id: int32 `(batch,)`: classes to look for, -1 for the most
                probable one; or `None` for that throughout.
            threshold: float32 `(batch,)`, or `None` for the one of the model.

        Returns:
            Dictionary of tensors. Where there is no image, no such class,
            or no such threshold, `class_id` is -1 and the rest is zeros.
        """
        logits, features = self._network(images)
        probabilities = tf.nn.softmax(logits)
        found = tf.argmax(logits, axis=1, output_type=tf.int32)
        known = tf.reduce_all(sizes > 0, axis=1)
        if class_id is not None:
            known &= (class_id >= -1) & (class_id < logits.shape[-1])
            found = tf.where(known & (class_id >= 0), class_id, found)
        if threshold is None:
            threshold = tf.fill(tf.shape(found), self.threshold)
        else:
            # Not a number is in no range.
            known &= (threshold >= 0) & (threshold <= 1)
            threshold = tf.where(known, threshold, 0.0)
        class_maps = class_activation_maps(features, self._kernel, found)
        # Of maps of zeros, heatmaps are zeros and boxes are empty.
        class_maps = tf.where(known[:, None, None], class_maps, 0.0)
        heatmaps = in_graph.to_heatmaps(class_maps, self.input_size)
        boxes = in_graph.boxes_above(
            heatmaps,
            threshold,
            self._protocol.levels,
            self._protocol.largest_by == "rectangle",
        )
        probabilities = tf.where(known[:, None], probabilities, 0.0)
        ends = tf.cast(tf.tile(sizes, [1, 2]), tf.float32)
        # Rounding must not lead out of the image.
        boxes = tf.cast(boxes, tf.float32) * (ends / self.input_size)
        return {
            "class_id": tf.where(known, found, -1),
            "probability": tf.gather(
                probabilities, found, axis=1, batch_dims=1
            ),
            "probabilities": probabilities,
            "box": tf.minimum(boxes, ends),
            "heatmap": heatmaps,
        }


def _one_each(values, batch, name):
    """Values for the images of a batch, of which one may count for all."""
    given = tf.shape(values)[0]
    words = [
        f"{name} has to be one for each image, or one for all of them. "
        f"Received {name} and images:",
        given,
        batch,
    ]
    fits = tf.debugging.Assert((given == batch) | (given == 1), words)
    with tf.control_dependencies([fits]):
        return tf.broadcast_to(values, [batch])


def export(
    model, output_dir, class_names, settings, threshold=None, write=None
):
    """Writes a trained classifier in a form that needs no code of ours.

    Args:
        model: Keras model of `build_model`.
        output_dir: Folder to write, which must not exist, be empty, or hold
            an earlier export and nothing else, which is replaced.
        class_names: List of the names of its classes.
        settings: Namespace with `workdir`, `input_size` and `resize_size`.
        threshold: Float in [0, 1], or `None` for the one of metrics.json in
            the work directory: that chosen on a validation split, or else the
            best one; or 0.2 without it.
        write: Function of a `Localizer` and a folder that writes the one into
            the other, or `None` for a SavedModel.

    Returns:
        `Threshold` that was stored.

    Raises:
        UsageError: If the folder is in use.
    """
    replaces = check_replaceable(output_dir, _OF_AN_EXPORT, LOCALIZATION)
    chosen = evaluated_threshold(settings.workdir)
    if threshold is not None:
        chosen = Threshold(threshold, chosen.protocol, "as given")
    protocol = protocol_named(chosen.protocol)
    localizer = Localizer(model, settings.input_size, chosen.value, protocol)
    partial = output_dir.rstrip("/") + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    (write or _write_saved_model)(localizer, partial)
    write_description(
        partial,
        Description(
            class_names,
            chosen.value,
            chosen.origin,
            protocol,
            settings.input_size,
            settings.resize_size,
        ),
    )
    if replaces:
        print(f"an earlier export in {output_dir} is replaced")
    shutil.rmtree(output_dir, ignore_errors=True)
    os.rename(partial, output_dir)
    return chosen


def _write_saved_model(localizer, folder):
    tf.saved_model.save(localizer, folder, signatures=localizer.signatures())
