"""A trained classifier as a SavedModel."""

import json
import os
import shutil

import tensorflow as tf

from adl_tf.errors import UsageError
from adl_tf.localization import in_graph
from adl_tf.methods.cam import (
    class_activation_maps,
    class_kernel,
    feature_model,
)

DEFAULT_THRESHOLD = 0.2


class Localizer(tf.Module):
    """From pictures to class, probability, heatmap and box, in one graph.

    Args:
        model: Keras model of `build_model`.
        input_size: Side of its input in pixels.
        threshold: Share of the heatmap's range from which a pixel belongs to
            the object.
    """

    def __init__(self, model, input_size, threshold):
        super().__init__()
        # The weights alone are exported. A module that held the Keras model
        # would add the random states of its training layers.
        self.weights = [weight.value for weight in model.weights]
        features = feature_model(model)
        kernel = class_kernel(model)
        self._network = lambda images: (
            *features(images, training=False),
            kernel,
        )
        self.threshold = tf.Variable(
            threshold, trainable=False, name="threshold"
        )
        self._input_size = input_size

    def signatures(self):
        """Dictionary of the functions that the SavedModel serves."""
        encoded = tf.TensorSpec([None], tf.string, name="image_bytes")
        decoded = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
        class_id = tf.TensorSpec([None], tf.int32, name="class_id")
        return {
            "serving_default": tf.function(
                self._from_bytes, input_signature=[encoded]
            ),
            "images": tf.function(self._from_images, input_signature=[decoded]),
            "localize": tf.function(
                self._localize, input_signature=[encoded, class_id]
            ),
        }

    def _from_bytes(self, image_bytes):
        return self._answer(*self._decode(image_bytes))

    def _from_images(self, images):
        size = tf.gather(tf.shape(images), [2, 1])
        sizes = tf.tile(size[None], [tf.shape(images)[0], 1])
        return self._answer(self._warp(images), sizes)

    def _localize(self, image_bytes, class_id):
        return self._answer(*self._decode(image_bytes), class_id)

    def _decode(self, image_bytes):
        def decode(encoded):
            picture = tf.io.decode_image(
                encoded, channels=3, expand_animations=False
            )
            return self._warp(picture), tf.gather(tf.shape(picture), [1, 0])

        side = self._input_size
        return tf.map_fn(
            decode,
            image_bytes,
            fn_output_signature=(
                tf.TensorSpec((side, side, 3), tf.float32),
                tf.TensorSpec((2,), tf.int32),
            ),
        )

    def _warp(self, pictures):
        # Rounded as in training, where pictures stay uint8.
        return tf.round(tf.image.resize(pictures, [self._input_size] * 2))

    def _answer(self, images, sizes, class_id=None):
        logits, features, kernel = self._network(images)
        probabilities = tf.nn.softmax(logits)
        if class_id is None:
            class_id = tf.argmax(logits, axis=1, output_type=tf.int32)
        class_maps = class_activation_maps(features, kernel, class_id)
        heatmaps = in_graph.to_heatmaps(class_maps, self._input_size)
        boxes = in_graph.largest_boxes(
            (heatmaps >= self.threshold) & (heatmaps > 0)
        )
        scale = tf.cast(tf.tile(sizes, [1, 2]), tf.float32) / self._input_size
        return {
            "class_id": class_id,
            "probability": tf.gather(
                probabilities, class_id, axis=1, batch_dims=1
            ),
            "probabilities": probabilities,
            "box": tf.cast(boxes, tf.float32) * scale,
            "heatmap": heatmaps,
        }


def export(model, output_dir, class_names, settings, threshold=None):
    """Writes the SavedModel of a trained classifier.

    Args:
        model: Keras model of `build_model`.
        output_dir: Folder to write, which must not exist or be empty.
        class_names: List of the names of its classes.
        settings: Namespace with `workdir` and `input_size`.
        threshold: Float in [0, 1], or `None` for the best one that
            metrics.json in the work directory knows, or 0.2 without it.

    Returns:
        Tuple of the threshold that was stored and the protocol under which it
        was the best one, or `None` if it comes from elsewhere.

    Raises:
        UsageError: If the folder is in use.
    """
    if os.path.isdir(output_dir) and os.listdir(output_dir):
        if not os.path.isfile(os.path.join(output_dir, "saved_model.pb")):
            raise UsageError(
                f"--output_dir={output_dir} is not empty: take another one"
            )
    protocol = None
    if threshold is None:
        threshold, protocol = _evaluated_threshold(settings.workdir)
    localizer = Localizer(model, settings.input_size, threshold)
    partial = output_dir.rstrip("/") + ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    tf.saved_model.save(localizer, partial, signatures=localizer.signatures())
    extra = os.path.join(partial, "assets.extra")
    os.makedirs(extra)
    with open(
        os.path.join(extra, "class_names.txt"), "w", encoding="utf-8"
    ) as file:
        file.writelines(f"{name}\n" for name in class_names)
    with open(
        os.path.join(extra, "localization.json"), "w", encoding="utf-8"
    ) as file:
        json.dump(
            {
                "threshold": threshold,
                "protocol": protocol,
                "input_size": settings.input_size,
            },
            file,
            indent=1,
        )
    shutil.rmtree(output_dir, ignore_errors=True)
    os.rename(partial, output_dir)
    return threshold, protocol


def _evaluated_threshold(workdir):
    path = os.path.join(workdir, "metrics.json")
    if not os.path.isfile(path):
        return DEFAULT_THRESHOLD, None
    with open(path, encoding="utf-8") as file:
        metrics = json.load(file)
    if not metrics["best_tau"]:  # scored on masks alone
        return DEFAULT_THRESHOLD, None
    return metrics["best_tau"]["tau"], metrics["protocol"]
