"""An exported model, and what lies beside it."""

import os

import cv2
import numpy as np
import tensorflow as tf

from adl_tf.errors import DataError, UsageError
from adl_tf.exported.description import not_exported, read_description
from adl_tf.localization.boxes import cutoffs


class SavedLocalizer:
    """From bytes of images to the answers of an exported model.

    Args:
        saved_model: Folder that `adl_tf.export` wrote.
        class_id: Class to look for, or `None` for the most probable one.
        threshold: Float in [0, 1], or `None` for the one of the model.

    Attributes:
        class_names: List of the names of the classes.
        class_id: As given.

    Raises:
        DataError: If the folder holds no exported model.
        UsageError: If there is no such class.
    """

    def __init__(self, saved_model, class_id=None, threshold=None):
        if os.path.isfile(os.path.join(saved_model, "model.tflite")):
            raise DataError(
                f"{saved_model} is a TensorFlow Lite model, which is for other "
                "programs: export it with --format=saved_model, too"
            )
        if not os.path.isfile(os.path.join(saved_model, "saved_model.pb")):
            raise DataError(
                f"{saved_model} holds no SavedModel: make one with "
                "python -m adl_tf.export"
            )
        about = read_description(saved_model)
        self.class_names = about.class_names
        self._protocol = about.protocol
        self._threshold = about.threshold
        try:
            # The signature must not outlive the variables of what was loaded.
            self._loaded = tf.saved_model.load(saved_model)
            self._localize = self._loaded.signatures["localize_at"]
        except (OSError, KeyError, ValueError) as error:
            raise not_exported(saved_model) from error
        if class_id is not None and class_id >= len(self.class_names):
            raise UsageError(
                f"--class_id={class_id}: the model knows classes "
                f"0-{len(self.class_names) - 1}"
            )
        self.class_id = class_id
        if threshold is not None:
            self._threshold = threshold

    def __call__(self, images):
        """Localises a batch.

        Args:
            images: List of encoded images; what is not bytes counts as an
                image that cannot be decoded.

        Returns:
            List of dictionaries of arrays, one an image.
        """
        count = len(images)
        answers = self._localize(
            image_bytes=tf.constant(
                [p if isinstance(p, bytes) else b"" for p in images]
            ),
            class_id=tf.fill(
                (count,), -1 if self.class_id is None else self.class_id
            ),
            threshold=tf.fill((count,), float(self._threshold)),
        )
        arrays = {name: value.numpy() for name, value in answers.items()}
        return [
            {name: array[index] for name, array in arrays.items()}
            for index in range(count)
        ]

    def mask(self, heatmap, height, width):
        """What is above the threshold, at the size of an image.

        Args:
            heatmap: float32 array in [0, 1].
            height: Pixels of the image.
            width: Likewise.

        Returns:
            uint8 array `(height, width)`: 255 above the threshold, else 0.
        """
        # The heatmap's own highest level: enlarged, it may be less.
        levels = self._protocol.to_levels(heatmap)
        cutoff = cutoffs(levels, [self._threshold])[0]
        enlarged = np.clip(cv2.resize(heatmap, (width, height)), 0, 1)
        levels = self._protocol.to_levels(enlarged)
        return np.where(levels > cutoff, 255, 0).astype(np.uint8)
