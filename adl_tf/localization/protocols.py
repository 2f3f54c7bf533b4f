"""Evaluation protocols of published results, as data.

Numbers of different protocols cannot be compared: the whole image as the box
is right on 34.2 % of CUB's test set under `adl_cvpr19` and on 19.0 % under
`wsoleval_cvpr20`.
"""

import dataclasses

import cv2
import numpy as np

from adl_tf.localization import boxes
from adl_tf.localization.heatmaps import (
    INTERPOLATIONS,
    NORMALIZATIONS,
    to_heatmap,
)
from adl_tf.registry import PROTOCOLS


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How heatmaps become boxes, and when a box is right.

    Attributes:
        name: Name of the protocol in result files.
        source: Where the rules come from.
        centre_crop: Whether images are warped to a larger square and
            cropped, or warped to the input size.
        warp: `"bilinear"` or `"antialiased"`: how images are warped.
        interpolation: `"bilinear"` or `"bicubic"`, for enlarging maps.
        normalization: `"min_max"` or `"max"`: how maps are scaled to [0, 1].
        levels: `"linear"` (255 times the heatmap) or `"cubehelix"` (the grey
            value of matplotlib's colour map of that name): the integers that
            are compared with the threshold.
        largest_by: `"area"` that a contour encloses or `"rectangle"` around
            it: which contour of a heatmap gives its box.
        thresholds: All thresholds, ascending. The published floats to the
            bit: a threshold is multiplied by the largest level and cut to
            an integer, so the last bit can decide.
        fixed_threshold: The threshold that is not chosen on the test set.
        ground_truth: `"first"` box of an image, or `"any"`.
        clip_ground_truth: Whether ground truth boxes are cut at the edge of
            the image and of the crop.
        clip_boxes: Whether predicted boxes are cut at the last pixel.
        empty_box: Box where nothing is above the threshold.
        min_iou: Minimum intersection over union of a correct box.
    """

    name: str
    source: str
    centre_crop: bool
    warp: str
    interpolation: str
    levels: str
    thresholds: tuple[float, ...]
    fixed_threshold: float
    ground_truth: str
    clip_ground_truth: bool
    clip_boxes: bool
    empty_box: tuple[int, int, int, int]
    normalization: str = "min_max"
    largest_by: str = "area"
    min_iou: float = 0.5

    def threshold_values(self):
        """All thresholds, as a float array."""
        return np.array(self.thresholds)

    def heatmap(self, class_map, size):
        """Heatmap of a class activation map.

        Args:
            class_map: Float array `(h, w)`.
            size: Side of the network's input in pixels.

        Returns:
            float32 array `(size, size)` in [0, 1].
        """
        return to_heatmap(
            class_map, size, self.interpolation, self.normalization
        )

    def to_levels(self, heatmap):
        """The integers of a heatmap that are compared with the threshold.

        Args:
            heatmap: Float array `(height, width)` in [0, 1].

        Returns:
            uint8 array `(height, width)`.
        """
        if self.levels == "cubehelix":
            index = np.minimum(heatmap * 256, 255).astype(np.uint8)
            return cv2.LUT(index, CUBEHELIX_GREY)
        return boxes.linear_levels(heatmap)

    def predicted_boxes(self, levels):
        """Box of the largest contour at every threshold.

        Args:
            levels: uint8 array `(height, width)`.

        Returns:
            int array `(thresholds, 4)` of x0, y0, x1, y1 in pixels of the
            network's input.
        """
        found = boxes.boxes_at_cutoffs(
            levels,
            boxes.cutoffs(levels, self.threshold_values()),
            by_rectangle=self.largest_by == "rectangle",
        )
        return self._finish(found, levels.shape[0])

    def score(self, levels, ground_truth):
        """Boxes and overlaps at every threshold.

        Args:
            levels: uint8 array `(height, width)`.
            ground_truth: int array `(n, 4)`, as returned by `target_boxes`.

        Returns:
            Tuple of the output of `predicted_boxes`, and two float arrays
            `(thresholds,)` of the largest intersection over union with any
            ground truth box: of that box, and of the box of any contour,
            holes included.
        """
        size = levels.shape[0]
        # Many thresholds give the same cut-off.
        cutoffs, thresholds = np.unique(
            boxes.cutoffs(levels, self.threshold_values()), return_inverse=True
        )
        found, contours, belong = boxes.contours_at_cutoffs(
            levels, cutoffs, by_rectangle=self.largest_by == "rectangle"
        )
        found = self._finish(found, size)
        best = np.zeros(256)
        overlaps = boxes.box_iou(self._clip(contours, size), ground_truth)
        np.maximum.at(best, belong, overlaps.max(axis=1))
        empty = boxes.box_iou([self.empty_box], ground_truth).max()
        best[levels.max(initial=0) :] = empty
        of_largest = boxes.box_iou(found, ground_truth).max(axis=1)
        return (
            found[thresholds],
            of_largest[thresholds],
            best[cutoffs][thresholds],
        )

    def _finish(self, found, size):
        found[~found.any(axis=1)] = self.empty_box
        return self._clip(found, size)

    def _clip(self, found, size):
        return np.minimum(found, size - 1) if self.clip_boxes else found

    def target_boxes(self, ground_truth, image_size, input_size, resize_size):
        """Ground truth boxes in pixels of the network's input.

        Args:
            ground_truth: Float array `(n, 4)`, in pixels of the image.
            image_size: Its width and height in pixels.
            input_size: Side of the network's input in pixels.
            resize_size: Side that images are warped to before the crop.

        Returns:
            int array `(n, 4)`, or `(1, 4)` if only the first box counts.
        """
        ground_truth = np.asarray(ground_truth, float).reshape(-1, 4)
        if self.ground_truth == "first":
            ground_truth = ground_truth[:1]
        size = np.tile(np.asarray(image_size, float), 2)
        if self.clip_ground_truth:
            ground_truth = np.clip(ground_truth, 0, size - 1)
        if not self.centre_crop:
            resize_size = input_size
        offset = (resize_size - input_size) // 2
        # Towards zero, as Python's int(): negative numbers too.
        scaled = np.trunc(ground_truth * resize_size / size - offset)
        if self.clip_ground_truth:
            scaled = np.clip(scaled, 0, input_size - 1)
        return scaled.astype(int)


def cubehelix_grey():
    """Grey value of each of the 256 colours of matplotlib's cubehelix.

    The authors' code draws the heatmap in these colours and thresholds the
    grey version of the drawing.

    Returns:
        uint8 array `(256,)`, not decreasing, from 0 to 255.

    Reference:

    - [Green, 2011](https://arxiv.org/abs/1108.5083), with start 0.5, rotation
      -1.5, hue 1, gamma 1
    """
    lightness = np.linspace(0, 1, 256)
    amplitude = lightness * (1 - lightness) / 2
    angle = 2 * np.pi * (0.5 / 3 - 1.5 * lightness)
    weights = [(-0.14861, 1.78277), (-0.29227, -0.90649), (1.97294, 0.0)]
    red, green, blue = (
        (
            255
            * (lightness + amplitude * (a * np.cos(angle) + b * np.sin(angle)))
        ).astype(int)
        for a, b in weights
    )
    # RGB2GRAY of OpenCV 3, which the authors used: 14 bits, rounded. Later
    # versions differ by one in two entries, which moves no cut-off.
    grey = (4899 * red + 9617 * green + 1868 * blue + (1 << 13)) >> 14
    return grey.astype(np.uint8)


CUBEHELIX_GREY = cubehelix_grey()

ADL_CVPR19 = Protocol(
    name="adl_cvpr19",
    source="Choe & Shim, CVPR 2019, the authors' TensorFlow code",
    centre_crop=True,
    warp="bilinear",
    interpolation="bilinear",
    levels="cubehelix",
    thresholds=tuple((np.arange(1, 20) / 20).tolist()),
    fixed_threshold=0.2,
    ground_truth="first",
    clip_ground_truth=False,
    clip_boxes=False,
    empty_box=(0, 0, 1, 1),
)

WSOLEVAL_CVPR20 = Protocol(
    name="wsoleval_cvpr20",
    source="Choe et al., CVPR 2020, wsolevaluation",
    centre_crop=False,
    warp="antialiased",
    interpolation="bicubic",
    levels="linear",
    thresholds=tuple(np.arange(0, 1, 0.001).tolist()),
    fixed_threshold=0.2,
    ground_truth="any",
    clip_ground_truth=True,
    clip_boxes=True,
    empty_box=(0, 0, 0, 0),
)

CHOICES = {
    "warp": ("bilinear", "antialiased"),
    "interpolation": tuple(INTERPOLATIONS),
    "normalization": NORMALIZATIONS,
    "levels": ("linear", "cubehelix"),
    "largest_by": ("area", "rectangle"),
    "ground_truth": ("first", "any"),
    "clip_ground_truth": ("true", "false"),
    "clip_boxes": ("true", "false"),
    "centre_crop": ("true", "false"),
}


def varied(protocol, options):
    """A protocol with some of its rules changed.

    Args:
        protocol: `Protocol`.
        options: Text such as `"largest_by=rectangle,ground_truth=any"`.

    Returns:
        `Protocol` whose name carries the options.

    Raises:
        ValueError: If a rule or one of its values does not exist.

    Example:

    >>> varied(PROTOCOLS["adl_cvpr19"], "ground_truth=any").name
    'adl_cvpr19+ground_truth=any'
    """
    changes = {}
    for option in options.split(","):
        rule, _, value = option.strip().partition("=")
        if value not in CHOICES.get(rule, ()):
            known = "; ".join(
                f"{name}={'|'.join(values)}" for name, values in CHOICES.items()
            )
            raise ValueError(f"'{option}' is none of the rules: {known}")
        changes[rule] = value == "true" if "true" in CHOICES[rule] else value
    name = f"{protocol.name}+{options}"
    return dataclasses.replace(protocol, name=name, **changes)


def protocol_named(name):
    """The protocol of a given name.

    Args:
        name: Such as `"adl_cvpr19"`, or the name of a protocol from `varied`.

    Returns:
        `Protocol`.

    Raises:
        ValueError: If there is none of that name.
    """
    base, _, options = name.partition("+")
    if base not in PROTOCOLS:
        raise ValueError(
            f"There is no protocol of that name. Received: name={name}"
        )
    return varied(PROTOCOLS[base], options) if options else PROTOCOLS[base]
