"""Per-image results, from which all metrics are computed."""

import dataclasses

import numpy as np

from adl_tf.localization.array_file import ArrayFile
from adl_tf.localization.boxes import box_iou
from adl_tf.localization.heatmaps import centre_heatmap
from adl_tf.localization.pixels import BINS, PixelHistograms

# Overlaps of MaxBoxAccV2.
DELTAS = (0.3, 0.5, 0.7)


@dataclasses.dataclass(frozen=True)
class ScoredBox:
    """Predicted box of an image at a threshold, and its IoU.

    Attributes:
        box: List of x0, y0, x1, y1 in pixels of the network's input.
        iou: Largest intersection over union with any ground truth box.
    """

    box: list
    iou: float


def pack_boxes(boxes):
    """Run-length encodes the boxes of an image over the thresholds.

    Args:
        boxes: int array `(thresholds, 4)`.

    Returns:
        int16 array `(rows, 5)`: index of the first threshold with this box,
        x0, y0, x1, y1. Neighbouring thresholds mostly agree.
    """
    boxes = np.ascontiguousarray(boxes, np.int16)
    keys = boxes.view(np.int64)[:, 0]  # A box is eight bytes.
    first = np.append(0, 1 + np.flatnonzero(keys[1:] != keys[:-1]))
    return np.column_stack([first, boxes[first]]).astype(np.int16)


def box_at(rows, number):
    """The box of an image at one threshold.

    Args:
        rows: As returned by `pack_boxes`.
        number: Index of the threshold.

    Returns:
        int array `(4,)`.
    """
    return rows[np.searchsorted(rows[:, 0], number, side="right") - 1, 1:]


def nearest(thresholds, wanted):
    """Index of the threshold that is nearest to one.

    Args:
        thresholds: Float array, ascending.
        wanted: Float.

    Returns:
        Integer.
    """
    return int(np.argmin(np.abs(thresholds - wanted)))


class Scores:
    """Hits of every image at every threshold, one bit each.

    Larger data, read only once or twice at the end, are kept on disk.
    Images may be added in any order and by several threads.

    Args:
        count: Number of images.
        protocol: `Protocol`.
        size: Side of the heatmaps in pixels.
    """

    def __init__(self, count, protocol, size):
        self.protocol = protocol
        self.size = size
        self.thresholds = protocol.threshold_values()
        packed = -(-len(self.thresholds) // 8)
        self._hits = np.zeros((count, packed), np.uint8)
        self._hits_of_any = np.zeros((len(DELTAS), count, packed), np.uint8)
        self._boxes = ArrayFile(count, 5, np.int16)
        self._ground_truth = ArrayFile(count, 4, np.int32)
        self._pixels = ArrayFile(count, BINS, np.int32)

    def __len__(self):
        return len(self._hits)

    def add(self, index, heatmap, ground_truth, mask=None, ignored=None):
        """Scores the heatmap of an image.

        Args:
            index: Index of the image in the test set.
            heatmap: Float array `(size, size)` in [0, 1].
            ground_truth: int array `(n, 4)` in pixels of the heatmap, from
                `Protocol.target_boxes`; without boxes, only pixels are scored.
            mask: Bool array `(size, size)` of the object's pixels, or `None`.
            ignored: Bool array of pixels that do not count, or `None`.
        """
        if mask is not None:
            found = PixelHistograms.of(heatmap, mask, ignored)
            self._pixels[index] = found.on_object, found.off_object
        if not len(ground_truth):
            return
        protocol = self.protocol
        levels = protocol.to_levels(heatmap)
        boxes, overlaps, overlaps_of_any = protocol.score(levels, ground_truth)
        self._hits[index] = np.packbits(overlaps >= protocol.min_iou)
        for row, delta in zip(self._hits_of_any, DELTAS):
            row[index] = np.packbits(overlaps_of_any >= delta)
        self._boxes[index] = pack_boxes(boxes)
        self._ground_truth[index] = ground_truth

    def add_missing(self, index, ground_truth):
        """Counts an image that has no heatmap as wrong.

        Args:
            index: Index of the image in the test set.
            ground_truth: int array `(n, 4)`; without boxes, nothing counts.
        """
        if len(ground_truth):
            self._ground_truth[index] = ground_truth

    @property
    def has_boxes(self):
        """Whether any image has ground truth boxes."""
        return not self._ground_truth.is_empty

    @property
    def has_masks(self):
        """Whether any image has a mask."""
        return not self._pixels.is_empty

    def pixels(self, images=slice(None)):
        """How often each score was given to pixels on and off the objects.

        Args:
            images: Slice of images.

        Returns:
            int32 array `(images, 2, bins)`: on, off; zeros without a mask.
        """
        places = range(len(self))[images]
        pixels = np.zeros((len(places), 2, BINS), np.int32)
        for row, place in zip(pixels, places):
            found = self._pixels[place]
            if found is not None:
                row[:] = found
        return pixels

    def hits(self, images=slice(None)):
        """Where the box of the largest contour is right.

        Args:
            images: Slice or indices of images.

        Returns:
            Bool array `(images, thresholds)`.
        """
        return self._unpacked(self._hits[images])

    def hits_of_any(self, images=slice(None)):
        """Where the box of any contour is right, at each overlap of `DELTAS`.

        Args:
            images: Slice or indices of images.

        Returns:
            List of bool arrays `(images, thresholds)`.
        """
        return [self._unpacked(hits[images]) for hits in self._hits_of_any]

    def _unpacked(self, bits):
        number = len(self.thresholds)
        return np.unpackbits(bits, axis=1, count=number).view(bool)

    def scored_box(self, index, threshold):
        """Box of an image at one threshold.

        Args:
            index: Index of the image in the test set.
            threshold: One of the protocol's thresholds.

        Returns:
            `ScoredBox`, or `None` without a heatmap or ground truth.
        """
        rows = self.boxes(index)
        if rows is None:
            return None
        box = box_at(rows, nearest(self.thresholds, threshold))
        overlaps = box_iou([box], self.ground_truth(index))
        return ScoredBox(box=box.tolist(), iou=float(overlaps.max()))

    def boxes(self, index):
        """Boxes of an image, one for each threshold where it changes.

        Args:
            index: Index of the image in the test set.

        Returns:
            As returned by `pack_boxes`, or `None` if the image has no heatmap
            or no ground truth.
        """
        return self._boxes[index]

    def ground_truth(self, index):
        """Ground truth boxes of an image.

        Args:
            index: Index of the image in the test set.

        Returns:
            int array `(n, 4)`, empty if there are none.
        """
        known = self._ground_truth[index]
        return np.zeros((0, 4), int) if known is None else known.astype(int)

    def num_ground_truth(self):
        """Number of ground truth boxes of each image: int array `(images,)`."""
        return self._ground_truth.rows

    def baselines(self):
        """Accuracies of boxes that ignore the image.

        Returns:
            Dictionary with the GT-known Loc in percent of the whole image
            (`whole_image`) and of the best centred square (`centre`): the box
            of `centre_heatmap` at its best threshold.
        """
        last = self.size - 1 if self.protocol.clip_boxes else self.size
        levels = self.protocol.to_levels(centre_heatmap(self.size))
        centred = self.protocol.predicted_boxes(levels)
        boxes = np.concatenate(([[0, 0, last, last]], centred))
        hits = np.zeros(len(boxes), int)
        for index in range(len(self)):
            overlaps = box_iou(boxes, self.ground_truth(index)).max(axis=1)
            hits += overlaps >= self.protocol.min_iou
        shares = 100 * hits / len(self)
        best = int(np.argmax(shares[1:]))
        return {
            "whole_image": {"gt_known_loc": float(shares[0])},
            "centre": {
                "tau": float(self.thresholds[best]),
                "gt_known_loc": float(shares[1 + best]),
                "oracle": True,
            },
        }
