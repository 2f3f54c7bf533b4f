"""Training objectives: the models and the loss of a method."""

import dataclasses
from collections.abc import Callable

import keras


def cross_entropy(labels, logits):
    """Softmax cross entropy of each image.

    Args:
        labels: Integer tensor `(batch,)`.
        logits: Tensor `(batch, num_classes)`.

    Returns:
        Tensor `(batch,)`.
    """
    return keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )


def plain_losses(model, images, labels):
    """The losses of a method that trains on the logits of its model alone.

    Args:
        model: Keras model from images to logits.
        images: float32 tensor `(batch, height, width, 3)`.
        labels: Integer tensor `(batch,)`.

    Returns:
        Tuple of losses `(batch,)` and logits `(batch, num_classes)`.
    """
    logits = model(images, training=True)
    return cross_entropy(labels, logits), logits


@dataclasses.dataclass(frozen=True)
class Objective:
    """The models and the loss that a method makes from a classifier.

    Attributes:
        model: Keras model from images to logits, for inference.
        training_model: Keras model with everything that training changes,
            random states included; it shares its layers with `model`.
        losses: Function as `plain_losses`, called with `training_model`,
            written in `keras.ops`.
        new_layers: Names of the layers with weights that the method adds.
    """

    model: keras.Model
    training_model: keras.Model
    losses: Callable = plain_losses
    new_layers: tuple[str, ...] = ()
