"""Threshold of an exported model, and where it comes from."""

import os
import typing

from adl_tf.errors import DataError
from adl_tf.exported.description import is_threshold
from adl_tf.localization.protocols import protocol_named
from adl_tf.text_files import read_json
from adl_tf.workdir import checkpoints

DEFAULT_THRESHOLD = 0.2
DEFAULT_PROTOCOL = "adl_cvpr19"

_EVALUATE_AGAIN = "run adl_tf.evaluate again"

# Fewer images say little about which threshold is best.
MIN_IMAGES = 30


class Threshold(typing.NamedTuple):
    """The threshold of an exported model.

    Attributes:
        value: Float in [0, 1].
        protocol: Name of the protocol whose levels it is compared with.
        origin: Where it comes from, in words.
        num_images: Number of images that it was chosen on, if any and known.
        stale: What to do if it was chosen for weights that are no longer the
            newest.
    """

    value: float
    protocol: str
    origin: str
    num_images: int | None = None
    stale: str | None = None

    def doubts(self):
        """Reasons why the threshold may give poor boxes, a line each."""
        lines = []
        if self.value == 0:
            lines.append(
                "a threshold of 0 keeps all but the lowest value of a heatmap, "
                "which mostly is the whole image"
            )
        if (self.num_images or MIN_IMAGES) < MIN_IMAGES:
            lines.append(f"{self.num_images} images are few to choose it by")
        if self.stale:
            lines.append(self.stale)
        return lines


def evaluated_threshold(workdir):
    """The threshold that an evaluation found to be best.

    Args:
        workdir: Work directory.

    Returns:
        `Threshold`: that of the validation split if there was one, or else the
        best; 0.2 without an evaluation, or one of masks alone.

    Raises:
        DataError: If metrics.json is damaged or its threshold is not in [0,
            1].
    """
    default = Threshold(
        DEFAULT_THRESHOLD, DEFAULT_PROTOCOL, "without an evaluation to choose"
    )
    path = os.path.join(workdir, "metrics.json")
    if not os.path.isfile(path):
        return default
    metrics = read_json(path)
    tau, split, number = "best_tau", "split", "num_images"
    if metrics.get("val_tau"):
        tau, split, number = "val_tau", "val_split", "val_num_images"
    try:
        if not metrics[tau]:
            return default
        value, protocol = metrics[tau]["tau"], metrics["protocol"]
        protocol_named(protocol)
        of_split = metrics[split]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is damaged: {error}; {_EVALUATE_AGAIN}"
        ) from error
    if not is_threshold(value):
        raise DataError(
            f"{path}: tau {value} of {tau} is not in [0, 1]; {_EVALUATE_AGAIN}"
        )
    num_images = metrics.get(number)
    of_classes = ""
    if metrics.get("classes"):
        of_classes = f", classes {metrics['classes']}"
    return Threshold(
        value,
        protocol,
        f"best of {num_images or 'the'} images of split {of_split}"
        f"{of_classes}, under {protocol}",
        num_images,
        _stale(workdir, metrics),
    )


def _stale(workdir, metrics):
    evaluated, newest = metrics.get("step"), checkpoints.latest_step(workdir)
    if None in (evaluated, newest) or evaluated == newest:
        return None
    return (
        f"the evaluation is of step {evaluated}, the weights are of step "
        f"{newest}; run adl_tf.evaluate again"
    )
