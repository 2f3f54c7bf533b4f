"""One evaluation: a split scored under a protocol."""

import dataclasses
import functools

import numpy as np

from adl_tf.localization.boxes import box_iou
from adl_tf.localization.scores import box_at, nearest


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `adl_tf.evaluate` found on a split under a protocol.

    Attributes:
        metrics: Dictionary of metrics.json.
        arrays: Dictionary of the arrays that WORKSPACE.md lists, or `None`
            where there is a metrics.json alone.
    """

    metrics: dict
    arrays: dict | None = None

    def __len__(self):
        return self.metrics["num_images"]

    def tau(self, name):
        """A threshold by its name.

        Args:
            name: One of `localization.metrics.THRESHOLDS`.

        Returns:
            Float, or `None` where the evaluation has none of that name.
        """
        found = self.metrics.get(name)
        return found and found["tau"]

    def number_of(self, threshold):
        """Index of the scored threshold that is nearest to one."""
        return nearest(self.arrays["thresholds"], threshold)

    def rows_of_boxes(self, index):
        """Predicted boxes of an image, a row where the box changes.

        Args:
            index: Index of the image.

        Returns:
            int array `(rows, 5)`: index of the first threshold with the box,
            x0, y0, x1, y1 in pixels of the network's input.
        """
        begin, end = self._first_rows[index : index + 2]
        return self.arrays["boxes"][begin:end, 1:]

    def ground_truth(self, index):
        """Ground truth boxes of an image.

        Args:
            index: Index of the image.

        Returns:
            int array `(boxes, 4)` in pixels of the network's input.
        """
        begin, end = self._first_boxes[index : index + 2]
        return self.arrays["ground_truth"][begin:end]

    def boxes_at(self, threshold):
        """Predicted boxes at a threshold.

        Args:
            threshold: Float; the nearest of those that were scored counts.

        Returns:
            int array `(images, 4)`, zeros for an image without a heatmap.
        """
        number = self.number_of(threshold)
        boxes = np.zeros((len(self), 4), int)
        for index in range(len(self)):
            rows = self.rows_of_boxes(index)
            if len(rows):
                boxes[index] = box_at(rows, number)
        return boxes

    def ious_at(self, threshold):
        """IoU of each predicted box with the ground truth box that fits best.

        Args:
            threshold: As of `boxes_at`.

        Returns:
            Float array `(images,)`, 0 for an image without ground truth.
        """
        ious = np.zeros(len(self))
        for index, box in enumerate(self.boxes_at(threshold)):
            targets = self.ground_truth(index)
            if len(targets):
                ious[index] = box_iou([box], targets).max()
        return ious

    def correct_boxes(self, threshold):
        """Whether the IoU of each image reaches the protocol's minimum.

        Args:
            threshold: As of `boxes_at`.

        Returns:
            Bool array `(images,)`.
        """
        return self.ious_at(threshold) >= self.metrics["rules"]["min_iou"]

    def source(self, index):
        """Where the file of an image was when it was scored.

        Args:
            index: Index of the image.

        Returns:
            Tuple of a path, and of the first byte and number of bytes in that
            file, or `None` where the image is the whole file.
        """
        byte_ranges = self.arrays.get("byte_ranges")
        if byte_ranges is not None:
            byte_ranges = tuple(byte_ranges[index].tolist())
        return str(self.arrays["paths"][index]), byte_ranges

    @property
    def correct_classes(self):
        """Bool array `(images,)`, or `None` without predicted classes."""
        if "predicted" not in self.arrays:
            return None
        return self.arrays["predicted"] == self.arrays["labels"]

    def class_name(self, label):
        """Name of a class, its number where there is no name."""
        names = self.arrays["class_names"]
        return str(names[label]) if label < len(names) else str(label)

    @functools.cached_property
    def _first_rows(self):
        # Rows of boxes are sorted by image.
        images = np.arange(len(self) + 1)
        return np.searchsorted(self.arrays["boxes"][:, 0], images)

    @functools.cached_property
    def _first_boxes(self):
        return np.append(0, np.cumsum(self.arrays["ground_truth_counts"]))
