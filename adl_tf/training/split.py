"""The training split, read and checked without TensorFlow."""

import dataclasses

from adl_tf.datasets.load import load_split
from adl_tf.errors import DataError, UsageError


def training_examples(settings):
    """Reads the training split that the flags name.

    Args:
        settings: `Settings`.

    Returns:
        `Examples`, or `None` where nothing is trained: the weights are kept.

    Raises:
        UsageError: If the flags do not go together, or with the data.
        DataError: If the data are missing or malformed, or have no images.
    """
    if not settings.epochs and settings.num_classes:
        return None
    if settings.input_size > settings.resize_size:
        raise UsageError(
            f"--input_size={settings.input_size} is larger than "
            f"--resize_size={settings.resize_size}"
        )
    # Training needs no boxes.
    without_boxes = dataclasses.replace(settings, boxes=None)
    examples = load_split(without_boxes, settings.train_split)
    if not len(examples):
        classes = f" of --classes={settings.classes}" * bool(settings.classes)
        raise DataError(
            f"--train_split={settings.train_split} has no images{classes}"
        )
    wanted = settings.num_classes
    if wanted is not None and examples.labels.max() >= wanted:
        raise UsageError(
            f"--num_classes={wanted} is less than the {examples.num_classes} "
            "classes of the data"
        )
    return examples
