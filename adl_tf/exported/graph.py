"""The graph of an exported model: from images to class, heatmap and box."""

import tensorflow as tf

from adl_tf.datasets.decoding import warp
from adl_tf.exported.box_in_graph import boxes_above, to_heatmaps
from adl_tf.exported.decoding import decode_images
from adl_tf.heatmaps.class_maps import (
    class_activation_maps,
    class_kernel,
    feature_model,
)


class Localizer(tf.Module):
    """From images to class, probability, heatmap and box, in one graph.

    Args:
        model: Keras model of `build_model`.
        input_size: Side of its input in pixels.
        threshold: Share of the heatmap's range above which a pixel belongs to
            the object.
        protocol: `Protocol` whose warp, levels and largest contour give the
            box.
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
            "serving_default": (self._localize_encoded, [encoded]),
            "localize": (self._localize_encoded, [encoded, class_id]),
            "localize_at": (
                self._localize_encoded,
                [encoded, class_id, threshold],
            ),
            "images": (self._localize_decoded, [decoded]),
            "localize_images": (self._localize_decoded, [decoded, class_id]),
        }
        return {
            name: tf.function(function, input_signature=inputs)
            for name, (function, inputs) in functions.items()
        }

    def _localize_encoded(self, image_bytes, class_id=None, threshold=None):
        images, sizes = decode_images(
            image_bytes, self.input_size, self._protocol.warp
        )
        return self.localize(images, sizes, class_id, threshold)

    def _localize_decoded(self, images, class_id=None):
        size = tf.gather(tf.shape(images), [2, 1])
        sizes = tf.tile(size[None], [tf.shape(images)[0], 1])
        images = warp(images, self.input_size, self._protocol.warp)
        return self.localize(images, sizes, class_id)

    def localize(self, images, sizes, class_id=None, threshold=None):
        """Localises one object in each image; common to all signatures.

        Args:
            images: uint8 images `(batch, input_size, input_size, 3)`.
            sizes: int32 `(batch, 2)`: width and height of the images as
                given, zeros where an image could not be decoded.
            class_id: int32 `(batch,)` or `(1,)`: classes to look for, -1 for
                the most probable one; or `None` for that throughout.
            threshold: float32 `(batch,)` or `(1,)`, or `None` for the one of
                the model.

        Returns:
            Dictionary of tensors. Where there is no image, no such class,
            or no such threshold, `class_id` is -1 and the rest is zeros.
        """
        batch = tf.shape(images)[0]
        logits, features = self._network(tf.cast(images, tf.float32))
        probabilities = tf.nn.softmax(logits)
        predicted = tf.argmax(logits, axis=1, output_type=tf.int32)
        valid = tf.reduce_all(sizes > 0, axis=1)
        if class_id is not None:
            class_id = _one_each(class_id, batch, "class_id")
            valid &= (class_id >= -1) & (class_id < logits.shape[-1])
            chosen = valid & (class_id >= 0)
            predicted = tf.where(chosen, class_id, predicted)
        if threshold is None:
            threshold = tf.fill([batch], self.threshold)
        else:
            threshold = _one_each(threshold, batch, "threshold")
            # A NaN is in no range.
            valid &= (threshold >= 0) & (threshold <= 1)
            threshold = tf.where(valid, threshold, 0.0)
        class_maps = class_activation_maps(features, self._kernel, predicted)
        # Maps of zeros give heatmaps of zeros and empty boxes.
        class_maps = tf.where(valid[:, None, None], class_maps, 0.0)
        heatmaps = to_heatmaps(class_maps, self.input_size)
        boxes = boxes_above(
            heatmaps,
            threshold,
            self._protocol.levels,
            self._protocol.largest_by == "rectangle",
        )
        probabilities = tf.where(valid[:, None], probabilities, 0.0)
        return {
            "class_id": tf.where(valid, predicted, -1),
            "probability": tf.gather(
                probabilities, predicted, axis=1, batch_dims=1
            ),
            "probabilities": probabilities,
            "box": _scale(boxes, sizes, self.input_size),
            "heatmap": heatmaps,
        }

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


def _scale(boxes, sizes, input_size):
    """Boxes in pixels of the images as given rather than of the input."""
    ends = tf.cast(tf.tile(sizes, [1, 2]), tf.float32)
    boxes = tf.cast(boxes, tf.float32) * (ends / input_size)
    # Rounding must not lead out of the image.
    return tf.minimum(boxes, ends)


def _one_each(values, batch, name):
    """One value for each image, where a single one counts for all of them."""
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
