"""SPG, self-produced guidance (Zhang et al., ECCV 2018)."""

import functools
import numbers

import keras
from keras import ops

from adl_tf.heatmaps.class_maps import (
    class_activation_maps,
    class_kernel,
    feature_model,
)
from adl_tf.methods.acol import scaled
from adl_tf.methods.objective import Objective, cross_entropy

# With fewer foreground pixels, those above this share of the maximum count.
_FEWEST_PIXELS, _SHARE_OF_MAXIMUM = 30, 0.7
_FOREGROUND, _BACKGROUND, _IGNORED = 1.0, 0.0, 255.0


def spg(model, backbone, thresholds=((0.7, 0.05), (0.5, 0.05), (0.7, 0.1))):
    """Trains a classifier with branches that learn masks of the object.

    Branch B2 learns from the map of the true class, B1 from B2, and C from the
    mean of both; none of them is part of the inference model, which is the
    model given. B1 and B2 share their last two convolutions. C has the same
    input as the classifier.

    Args:
        model: Keras model made of `backbone`.
        backbone: Its `Backbone`, one that is not of `keras.applications`.
        thresholds: Three pairs `(high, low)` of floats in [0, 1], for the
            targets of B2, B1 and C: what is above the first is foreground,
            what is below the second is background. The order is that in
            which each learns from the one before.

    Returns:
        `Objective`, whose loss is the sum of the cross entropy of the logits
        and the mean binary cross entropies of the three branches.

    Raises:
        ValueError: If the backbone has no `spg_positions`, or the thresholds
            are invalid.

    Reference:

    - [Zhang et al., 2018](https://arxiv.org/abs/1807.08902)
    """
    name = backbone.model.name
    if not backbone.spg_positions:
        raise ValueError(
            f"Backbone '{name}' has no positions for the branches of 'spg'; "
            "those that are not of keras.applications have. "
            f"Received: backbone={name!r}"
        )
    thresholds = _checked(thresholds)
    filters = backbone.spg_filters
    shared = [
        _convolution("spg_b_shared", filters),
        _mask_convolution("spg_b_mask"),
    ]
    branches = [
        [_convolution("spg_b1", filters), *shared],
        [_convolution("spg_b2", filters), *shared],
        [_convolution("spg_c", 512), _mask_convolution("spg_c_mask")],
    ]
    masks = []
    for branch, place in zip(branches, backbone.spg_positions):
        mask = model.get_layer(place).output
        for layer in branch:
            mask = layer(mask)
        masks.append(mask)
    training_model = keras.Model(
        model.input, (*feature_model(model).outputs, *masks), name=name
    )
    names = [layer.name for branch in branches for layer in branch]
    return Objective(
        model,
        training_model,
        functools.partial(
            guided_losses, kernel=class_kernel(model), thresholds=thresholds
        ),
        tuple(dict.fromkeys(names)),
    )


def guided_losses(model, images, labels, kernel, thresholds):
    """The losses of `Objective`; see `plain_losses`.

    Args:
        model: Keras model that `spg` made for training.
        images: float32 tensor `(batch, height, width, 3)`.
        labels: Integer tensor `(batch,)`.
        kernel: See `class_activation_maps`.
        thresholds: See `spg`.

    Returns:
        Tuple of losses `(batch,)` and logits `(batch, num_classes)`.
    """
    logits, features, *masks = model(images, training=True)
    size = model.input_shape[1:3]
    attention = class_activation_maps(features, kernel, labels)[..., None]
    attention = scaled(_enlarged(attention, size))
    b1, b2, c = (_enlarged(mask, size) for mask in masks)
    both = 0.5 * (ops.sigmoid(b1) + ops.sigmoid(b2))
    losses = cross_entropy(labels, logits)
    for mask, source, (high, low) in zip(
        (b2, b1, c), (attention, ops.sigmoid(b2), both), thresholds
    ):
        losses = losses + mask_losses(mask, targets(source, high, low))
    return losses, logits


def targets(source, high, low):
    """Target of a mask at each pixel.

    Where fewer than 30 pixels of an image are above `high`, those above 0.7
    of its maximum are the foreground.

    Args:
        source: Tensor `(batch, height, width, 1)` in [0, 1].
        high: Float: above it is foreground.
        low: Float: below it is background, even where it is also foreground:
            if few pixels reach `high`, 0.7 of the maximum can be below `low`.

    Returns:
        float32 tensor of the same shape, without gradient: 1 for foreground, 0
        for background, 255 for pixels that are ignored.
    """
    source = ops.stop_gradient(ops.convert_to_tensor(source))
    foreground = source > high
    count = ops.sum(
        ops.cast(foreground, "int32"), axis=(1, 2, 3), keepdims=True
    )
    largest = ops.max(source, axis=(1, 2, 3), keepdims=True)
    foreground = ops.where(
        count < _FEWEST_PIXELS, source > _SHARE_OF_MAXIMUM * largest, foreground
    )
    rest = ops.where(foreground, _FOREGROUND, _IGNORED)
    return ops.where(source < low, _BACKGROUND, rest)


def mask_losses(logits, target):
    """Binary cross entropy of masks, over the pixels that are not ignored.

    Our reading, where the sources do not say: it is averaged over the pixels of
    all images of the batch, so that one where more is ignored counts less.

    Args:
        logits: float32 tensor `(batch, height, width, 1)`.
        target: As returned by `targets`.

    Returns:
        Tensor `(batch,)` whose mean is the average.
    """
    logits, target = map(ops.convert_to_tensor, (logits, target))
    counted = ops.cast(target != _IGNORED, "float32")
    wanted = counted * target
    losses = counted * (
        ops.maximum(logits, 0.0)
        - logits * wanted
        + ops.log1p(ops.exp(-ops.abs(logits)))
    )
    each = ops.sum(losses, axis=(1, 2, 3))
    counts = ops.sum(counted, axis=(1, 2, 3))
    return each / ops.maximum(ops.mean(counts), 1.0)


def _enlarged(maps, size):
    """Maps as large as the image, bilinear, in full precision."""
    return ops.image.resize(
        ops.cast(maps, "float32"), size, interpolation="bilinear"
    )


def _convolution(name, filters):
    return keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        activation="relu",
        kernel_initializer="glorot_uniform",
        name=name,
    )


def _mask_convolution(name):
    return keras.layers.Conv2D(
        1,
        1,
        kernel_initializer="glorot_uniform",
        name=name,
    )


def _checked(thresholds):
    pairs = [tuple(pair) for pair in thresholds]
    if len(pairs) != 3 or any(
        len(pair) != 2
        or not all(isinstance(each, numbers.Real) for each in pair)
        or not 0 <= pair[1] <= pair[0] <= 1
        for pair in pairs
    ):
        raise ValueError(
            "`thresholds` must be three pairs of numbers in [0, 1], the higher "
            f"one first. Received: thresholds={thresholds!r}"
        )
    return pairs
