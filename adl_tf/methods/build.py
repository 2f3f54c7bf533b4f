"""Models from a backbone and a method."""

import inspect

import keras

from adl_tf.methods.objective import Objective
from adl_tf.models.classifier import build_classifier
from adl_tf.models.weights import is_own, load_own
from adl_tf.registry import METHODS


def build_model(
    backbone,
    method="cam",
    num_classes=1000,
    weights="imagenet",
    input_shape=(224, 224, 3),
    backbone_arguments=None,
    **method_arguments,
):
    """Builds a network of the paper as a plain Keras model.

    Args:
        backbone: `"vgg_gap"`, `"mobilenet_v1"`, `"resnet50"`,
            `"resnet50_se"`, `"inception_v3"` or `"small_cnn"`, or
            `"keras:NAME"` for a classifier of `keras.applications`, such as
            `"keras:DenseNet121"`.
        method: `"cam"` (the plain classifier), `"has"`, `"acol"`,
            `"spg"`, `"adl"` or `"cutmix"`. Those whose loss needs more than
            the logits and labels, `"acol"`, `"spg"` and `"cutmix"`, train
            by `adl_tf.train`.
        num_classes: Number of classes.
        weights: `"imagenet"`, `None` for random ones, or the path of a file:
            one of Keras's formats, Tensorpack's `.npz` (for `vgg_gap` and the
            ResNets) or a PyTorch `state_dict`, `.pth` or `.pt` (for the
            ResNets). The classifier is loaded when its number of classes fits.
        input_shape: Tuple `(height, width, 3)`.
        backbone_arguments: Dictionary of options of the backbone, such as
            `{"last_stride": 2}` for `mobilenet_v1` and the ResNets.
        **method_arguments: Arguments of the method; for `adl` `positions`,
            `gamma`, `drop_rate`, `importance_rate`, `selection` and `seed`; for
            `has` `patch_size`, `hide_rate` and `seed`; for `acol` `threshold`;
            for `spg` `thresholds`; for `cutmix` `beta`,
            `probability`, `area_corrected` and `seed`.

    Returns:
        Keras model from RGB images `(batch, height, width, 3)` in [0, 255]
        (preprocessing is part of it) to logits `(batch, num_classes)`.

    Raises:
        ValueError: If an argument has an invalid value.
        adl_tf.errors.DataError: If the weights cannot be read or do not fit.

    Example:

    >>> model = build_model("vgg_gap", method="adl", num_classes=200)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("sgd", loss)  # the model returns logits
    """
    objective, _, _ = assemble(
        backbone,
        method,
        num_classes,
        weights,
        input_shape,
        backbone_arguments,
        **method_arguments,
    )
    return objective.model


def assemble(
    backbone,
    method,
    num_classes,
    weights,
    input_shape,
    backbone_arguments=None,
    **method_arguments,
):
    """As `build_model`, together with what training needs.

    Returns:
        Tuple of the method's `Objective`, the `Backbone`, and the names of the
        layers that start from random values.
    """
    known = method_options(method)
    for name in method_arguments:
        if name not in known:
            raise ValueError(
                f"Method '{method}' has no option `{name}`. "
                f"It has: {', '.join(known) or 'none'}"
            )
    # Files of our own also hold the layers that the method adds.
    own = is_own(weights)
    model, built, new_layers = build_classifier(
        backbone,
        num_classes,
        weights,
        input_shape,
        load=not own,
        **(backbone_arguments or {}),
    )
    made = METHODS[method](model, built, **method_arguments)
    if isinstance(made, keras.Model):
        made = Objective(made, made)
    if own:
        load_own(made.model, weights)
        return made, built, ()
    present = {layer.name for layer in made.training_model.layers}
    new_layers = [name for name in new_layers if name in present]
    return made, built, tuple(dict.fromkeys([*new_layers, *made.new_layers]))


def method_options(method):
    """Names of the options of a method.

    Args:
        method: See `build_model`.

    Returns:
        List of argument names.

    Raises:
        ValueError: If there is no such method.
    """
    _, _, *options = inspect.signature(METHODS.find(method)).parameters
    return options
