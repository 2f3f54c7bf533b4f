"""Classifiers with a CAM-compatible head.

Class activation maps find the layers of the head by name: `gap` and `logits`,
or `class_maps` and `logits`.
"""

import inspect

import keras

from adl_tf.models.variants import with_variant
from adl_tf.models.weights import load_pretrained
from adl_tf.registry import BACKBONES


def build_classifier(
    backbone,
    num_classes=1000,
    weights="imagenet",
    input_shape=(224, 224, 3),
    load=True,
    **backbone_arguments,
):
    """Builds the plain classifier that every method starts from.

    Args:
        backbone: Name in `adl_tf.registry.BACKBONES`, or `"keras:NAME"` for a
            classifier of `keras.applications`.
        num_classes: Number of classes.
        weights: `"imagenet"`, `None` for random ones, or the path of a file
            (see `load_pretrained`).
        input_shape: Tuple `(height, width, 3)`.
        load: Whether the weights are loaded; otherwise they only decide the
            variant of the backbone.
        **backbone_arguments: Further arguments of the backbone.

    Returns:
        Tuple `(model, backbone, new_layers)`: a Keras model from images
        `(batch, height, width, 3)`, RGB in [0, 255], to logits `(batch,
        num_classes)`; the `Backbone`; and the names of the layers that
        `weights` did not set (all of them without any).

    Raises:
        ValueError: If there is no such backbone or it has no such argument.
        DataError: If the weights cannot be read or do not fit.
    """
    known = backbone_options(backbone)
    for name in backbone_arguments:
        if name not in known:
            raise ValueError(
                f"Backbone '{backbone}' has no option `{name}`. "
                f"It has: {', '.join(known) or 'none'}"
            )
    if "variant" in known:
        backbone_arguments = with_variant(backbone_arguments, weights)
    built = BACKBONES.find(backbone)(input_shape, **backbone_arguments)
    logits = _HEADS[built.head](
        built.model.output, num_classes, _initializer(built)
    )
    model = keras.Model(built.model.input, logits, name=built.model.name)
    if weights is None or not load:
        new_layers = tuple(layer.name for layer in model.layers)
    else:
        new_layers = load_pretrained(model, built, weights, num_classes)
    return model, built, new_layers


def backbone_options(backbone):
    """Names of the options of a backbone.

    Args:
        backbone: See `build_classifier`.

    Returns:
        List of argument names.

    Raises:
        ValueError: If there is no such backbone.
    """
    _, *options = inspect.signature(BACKBONES.find(backbone)).parameters
    return options


def _initializer(built):
    if built.initializer is not None:
        return built.initializer
    return keras.initializers.RandomNormal(stddev=0.01)


# Logits are float32 under mixed precision too: the softmax needs it.


def _dense_head(features, num_classes, initializer):
    pooled = keras.layers.GlobalAveragePooling2D(name="gap")(features)
    return keras.layers.Dense(
        num_classes,
        kernel_initializer=initializer,
        dtype="float32",
        name="logits",
    )(pooled)


def _class_maps_head(features, num_classes, initializer):
    class_maps = keras.layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=initializer,
        name="class_maps",
    )(features)
    return keras.layers.GlobalAveragePooling2D(dtype="float32", name="logits")(
        class_maps
    )


_HEADS = {"dense": _dense_head, "class_maps": _class_maps_head}
