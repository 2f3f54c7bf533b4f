"""Scoring of heatmaps against boxes and masks, without TensorFlow."""

import dataclasses
import os

import cv2
import numpy as np

from adl_tf.datasets.masks import read_mask
from adl_tf.errors import DataError
from adl_tf.localization.array_file import ArrayFile
from adl_tf.localization.bootstrap import confidence_intervals
from adl_tf.localization.metrics import chunks, localization_metrics
from adl_tf.localization.scores import Scores

# Side in pixels of the heatmaps that are kept for the report: twice that of
# the networks' maps.
THUMBNAIL_SIDE = 28


class Scoring:
    """A test set against which heatmaps are scored, one after the other.

    Heatmaps may come in any order and from several threads.

    Args:
        examples: `Examples` with a box or a mask for every image.
        protocol: `Protocol`.
        input_size: Side of the heatmaps in pixels.
        resize_size: Side that images are warped to before the crop, if the
            protocol crops.
        save_heatmaps: Folder to write each heatmap to as
            `<image_id>.npy`, or `None`.

    Raises:
        DataError: If there are no images, or one has nothing to be compared
            with, or its name leads out of `save_heatmaps`.
    """

    def __init__(
        self, examples, protocol, input_size, resize_size, save_heatmaps=None
    ):
        _check(examples)
        if save_heatmaps:
            _check_names(examples.image_ids)
        self.examples = examples
        self.protocol = protocol
        self.input_size = input_size
        # A crop is cut from something at least as large.
        self.resize_size = (
            max(resize_size, input_size) if protocol.centre_crop else input_size
        )
        self._save_heatmaps = save_heatmaps
        self._scores = Scores(len(examples), protocol, input_size)
        self._thumbnails = ArrayFile(len(examples), THUMBNAIL_SIDE, np.uint8)

    @property
    def scores(self):
        """`Scores` of the heatmaps that were added."""
        return self._scores

    def add(self, index, heatmap, file_size=None):
        """Scores the heatmap of an image.

        Args:
            index: Index of the image.
            heatmap: Float array `(input_size, input_size)` in [0, 1].
            file_size: Width and height of its file, needed where the data set
                does not know them.

        Raises:
            DataError: If a mask cannot be read.
        """
        if self._save_heatmaps:
            name = f"{self.examples.image_ids[index]}.npy"
            path = os.path.join(self._save_heatmaps, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            np.save(path, heatmap.astype(np.float32))
        thumbnail = cv2.resize(
            heatmap.astype(np.float32, copy=False),
            (THUMBNAIL_SIDE, THUMBNAIL_SIDE),
            interpolation=cv2.INTER_AREA,
        )
        self._thumbnails[index] = np.round(255 * np.clip(thumbnail, 0, 1))
        targets = self._target_boxes(index, file_size)
        self._scores.add(index, heatmap, targets, *self._masks(index))

    def add_missing(self, index):
        """Counts an image without a heatmap as wrong.

        Args:
            index: Index of the image.
        """
        if self.examples.masks is not None:
            blank = np.zeros([self.input_size] * 2)
            self._scores.add(index, blank, (), *self._masks(index))
        self._scores.add_missing(index, self._target_boxes(index, None))

    def result(self, predictions=None, val_tau=None, exported_tau=None):
        """All metrics, and the results of every image.

        Args:
            predictions: `Predictions`, or `None` if only boxes are scored.
            val_tau: Threshold that was chosen on other images, or `None`.
            exported_tau: Threshold of the exported model that made the
                heatmaps, or `None`.

        Returns:
            Tuple of the dictionary for metrics.json and an iterator over
            dictionaries, one an image, for per_image.jsonl; boxes there are
            in pixels of the network's input, at the best threshold.
        """
        labels = self.examples.labels
        correct = correct_top5 = None
        if predictions is not None:
            correct = predictions.class_ids == labels
            if predictions.top5 is not None:
                found = predictions.top5 == labels[:, None]
                correct_top5 = found.any(axis=1)
        metrics = localization_metrics(
            self._scores, correct, correct_top5, val_tau, exported_tau
        )
        metrics["confidence_intervals"] = confidence_intervals(
            metrics, self._scores, correct, correct_top5
        )
        rules = dataclasses.asdict(self.protocol)
        if self.protocol.centre_crop:
            rules["input_size"] = self.input_size
            rules["resize_size"] = self.resize_size
        metrics = {"num_images": len(labels), **metrics, "rules": rules}
        best = metrics["best_tau"] and metrics["best_tau"]["tau"]
        records = (
            self._record(index, predictions, best)
            for index in range(len(labels))
        )
        return metrics, records

    def arrays(self, predictions=None):
        """Arrays from which the report draws the images.

        Args:
            predictions: `Predictions`, or `None` if only boxes are scored.

        Returns:
            Dictionary for `write_evaluation` from names to arrays, and to
            iterables of parts of those that are large.
        """
        examples = self.examples
        every = list(chunks(len(examples)))

        def parts(of_image):
            """Arrays of many images, one after the other."""
            for images in every:
                indices = range(len(examples))[images]
                yield np.concatenate([of_image(index) for index in indices])

        arrays = {
            "image_ids": (examples.image_ids[images] for images in every),
            "paths": (
                list(map(os.path.abspath, examples.paths[images]))
                for images in every
            ),
            "class_names": [examples.class_names],
            "labels": examples.labels,
            "sizes": np.array([self.input_size, self.resize_size]),
            "thresholds": self._scores.thresholds,
            "boxes": parts(self._rows_of_boxes),
            "ground_truth": parts(self._scores.ground_truth),
            "ground_truth_counts": self._scores.num_ground_truth(),
            "heatmaps": parts(self._thumbnail),
        }
        if examples.byte_ranges is not None:
            arrays["byte_ranges"] = examples.byte_ranges
        if predictions is not None:
            arrays["predicted"] = predictions.class_ids
            if predictions.probabilities is not None:
                arrays["probabilities"] = predictions.probabilities
        return arrays

    def _rows_of_boxes(self, index):
        rows = self._scores.boxes(index)
        if rows is None:
            return np.zeros((0, 6), np.int32)
        return np.insert(rows.astype(np.int32), 0, index, axis=1)

    def _thumbnail(self, index):
        found = self._thumbnails[index]
        if found is None:
            found = np.zeros([THUMBNAIL_SIDE] * 2, np.uint8)
        return found[np.newaxis]

    def best_threshold(self):
        """The threshold with the highest GT-known Loc on these images."""
        metrics = localization_metrics(self._scores, None, None)
        if metrics["best_tau"] is None:
            raise DataError("a threshold cannot be chosen without boxes")
        return metrics["best_tau"]["tau"]

    def _record(self, index, predictions, threshold):
        record = {
            "image_id": self.examples.image_ids[index],
            "label": int(self.examples.labels[index]),
            "predicted": None,
            "probability": None,
        }
        if predictions is not None:
            record["predicted"] = int(predictions.class_ids[index])
            if predictions.probabilities is not None:
                probability = float(predictions.probabilities[index])
                record["probability"] = round(probability, 6)
        scored = None
        if threshold is not None:
            scored = self._scores.scored_box(index, threshold)
        return {
            **record,
            "box": scored and scored.box,
            "ground_truth": self._scores.ground_truth(index).tolist() or None,
            "iou": scored and round(scored.iou, 6),
            "tau": threshold,
        }

    def _target_boxes(self, index, file_size):
        sizes = self.examples.sizes
        return self.protocol.target_boxes(
            self.examples.boxes[index],
            file_size if sizes is None else sizes[index],
            self.input_size,
            self.resize_size,
        )

    def _masks(self, index):
        """Masks of the object and of ignored pixels, of the heatmaps' size."""
        if not self.examples.masks or not self.examples.masks[index]:
            return None, None
        masks = [self._mask(path) for path in self.examples.masks[index]]
        ignored = self.examples.ignored and self.examples.ignored[index]
        return np.any(masks, axis=0), self._mask(ignored) if ignored else None

    def _mask(self, source):
        mask = cv2.resize(
            read_mask(source).astype(np.uint8),
            [self.resize_size] * 2,
            interpolation=cv2.INTER_NEAREST,
        )
        begin = (self.resize_size - self.input_size) // 2
        end = begin + self.input_size
        return mask[begin:end, begin:end] > 0


def _check(examples):
    if not len(examples):
        raise DataError("there are no images to score")
    with_boxes = any(len(boxes) for boxes in examples.boxes)
    if not with_boxes and examples.masks is None:
        raise DataError("the images have neither boxes nor masks")
    for index, boxes in enumerate(examples.boxes):
        if with_boxes and not len(boxes):
            raise DataError(
                f"image {examples.image_ids[index]} has no box to compare with"
            )
        if not with_boxes and not examples.masks[index]:
            raise DataError(
                f"image {examples.image_ids[index]} has no mask to compare with"
            )


def _check_names(image_ids):
    for image_id in image_ids:
        if os.path.isabs(image_id) or os.pardir in image_id.split("/"):
            raise DataError(
                f"--save_heatmaps: the heatmap of image {image_id} would be "
                "written outside that folder"
            )
