"""A few test images with heatmap and boxes after each epoch, for TensorBoard.

They are only looked at: nothing is chosen by them.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from adl_tf import drawing
from adl_tf.datasets import pipeline
from adl_tf.datasets.load import load_split
from adl_tf.errors import AdlTfError
from adl_tf.heatmaps.class_maps import (
    class_activation_maps,
    class_kernel,
    feature_model,
)
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.localization.scores import nearest

NUM_IMAGES = 8
PROTOCOL = PROTOCOLS["adl_cvpr19"]


def make_preview(settings, model):
    """The preview of a run.

    Args:
        settings: `Settings`.
        model: Keras model that is being trained, of `build_model`.

    Returns:
        `Preview`, or `None` if the data set has no test images with boxes
        or one of them cannot be read: training needs none of them.
    """
    try:
        examples = load_split(settings, "test")
        usable = [
            place
            for place, (boxes, label) in enumerate(
                zip(examples.boxes, examples.labels)
            )
            if len(boxes) and label < model.output_shape[-1]
        ]
        if not usable:
            return None
        # Spread over the set, which is often sorted by class.
        spread = np.linspace(0, len(usable) - 1, NUM_IMAGES).round()
        chosen = [usable[int(place)] for place in np.unique(spread)]
        return Preview(examples.take(chosen), settings, model)
    except (AdlTfError, OSError, tf.errors.OpError):
        return None


class Preview:
    """Draws the same images whenever it is asked to.

    Args:
        examples: `Examples` with boxes, few of them: they stay in memory.
        settings: `Settings`.
        model: Keras model of `build_model`.
    """

    def __init__(self, examples, settings, model):
        self.size = settings.input_size
        # Boxes are drawn where the protocol compares them, but as they are:
        # one that the crop cuts leaves the image.
        protocol = dataclasses.replace(PROTOCOL, ground_truth="any")
        batches = pipeline.test_batches(
            examples,
            batch_size=len(examples),
            resize_size=settings.resize_size,
            input_size=settings.input_size,
        )
        images, file_sizes = next(iter(batches))
        self.images = images.numpy()
        self.labels = examples.labels
        sizes = file_sizes if examples.sizes is None else examples.sizes
        self.ground_truth = [
            protocol.target_boxes(
                boxes, size, settings.input_size, settings.resize_size
            )
            for boxes, size in zip(examples.boxes, np.asarray(sizes))
        ]
        self._kernel = class_kernel(model)
        self._features = feature_model(model)

    def draw(self):
        """Images with the heatmap of their class and both kinds of boxes.

        Returns:
            uint8 array `(images, size, size, 3)`: ground truth boxes
            red, the predicted one, at the protocol's fixed threshold, green.
        """
        _, features = self._features(
            tf.cast(self.images, "float32"), training=False
        )
        maps = class_activation_maps(features, self._kernel, self.labels)
        thresholds = PROTOCOL.threshold_values()
        number = nearest(thresholds, PROTOCOL.fixed_threshold)
        drawn = []
        for image, class_map, truths in zip(
            self.images, maps.numpy(), self.ground_truth
        ):
            heatmap = PROTOCOL.heatmap(class_map, self.size)
            box = PROTOCOL.predicted_boxes(PROTOCOL.to_levels(heatmap))[number]
            canvas = drawing.overlay_heatmap(image, heatmap)
            for truth in truths:
                canvas = drawing.draw_box(canvas, truth, drawing.GROUND_TRUTH)
            drawn.append(drawing.draw_box(canvas, box, drawing.ESTIMATE))
        return np.stack(drawn)
