"""The exported graph as a TensorFlow Lite model."""

import os

import tensorflow as tf

FILE_NAME = "model.tflite"


def writer(quantize=None):
    """A function that writes a `Localizer` as a TensorFlow Lite model.

    The model has one signature, `localize`, which takes `images` (uint8 `(1,
    input_size, input_size, 3)`, RGB, warped to that size) and `class_id`
    (int32 `(1,)`, -1 for the most probable class) and returns what those of the
    SavedModel do, with boxes in pixels of the network's input.

    Args:
        quantize: `"float16"` or `"int8"`, the form that weights are stored
            in, or `None`. Activations stay floats: as integers, a heatmap
            would have no more levels than thresholds tell apart.

    Returns:
        Function of a `Localizer` and the folder to write `model.tflite` to.
    """

    def write(localizer, folder):
        side = localizer.input_size
        function = tf.function(
            _localize(localizer),
            input_signature=[
                tf.TensorSpec((1, side, side, 3), tf.uint8, name="images"),
                tf.TensorSpec((1,), tf.int32, name="class_id"),
            ],
        )
        os.makedirs(folder, exist_ok=True)
        saved = os.path.join(folder, "saved_model")
        tf.saved_model.save(localizer, saved, signatures={"localize": function})
        converter = tf.lite.TFLiteConverter.from_saved_model(
            saved, signature_keys=["localize"]
        )
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        with open(os.path.join(folder, FILE_NAME), "wb") as file:
            file.write(converter.convert())
        tf.io.gfile.rmtree(saved)

    return write


def _localize(localizer):
    def localize(images, class_id):
        sizes = tf.fill((1, 2), localizer.input_size)
        return localizer.localize(images, sizes, class_id)

    return localize
