"""The model of a run from its settings, for training, evaluation and export."""

import keras

from adl_tf.errors import UsageError
from adl_tf.methods.build import assemble, method_options
from adl_tf.models.classifier import backbone_options


def assemble_from_settings(settings, weights):
    """Builds the model that the settings describe.

    Args:
        settings: `Settings`.
        weights: `"imagenet"`, `"none"`, `None` or a path.

    Returns:
        As `assemble`: objective, backbone and names of new layers.

    Raises:
        UsageError: If a value is invalid.
    """
    precision = settings.mixed_precision
    keras.mixed_precision.set_global_policy(
        "float32" if precision == "off" else f"mixed_{precision}"
    )
    try:
        return assemble(
            settings.backbone,
            settings.method,
            settings.num_classes,
            None if weights == "none" else weights,
            (settings.input_size, settings.input_size, 3),
            backbone_arguments(settings),
            **_method_arguments(settings),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def backbone_arguments(settings):
    """The options of the backbone that are set.

    Args:
        settings: `Settings`.

    Returns:
        Dictionary of arguments.

    Raises:
        ValueError: If there is no such backbone.
    """
    arguments = {}
    if settings.last_stride is not None:
        # Work directories of networks without it have this flag too.
        if "last_stride" in backbone_options(settings.backbone):
            arguments["last_stride"] = settings.last_stride
    return {**arguments, **(settings.backbone_options or {})}


def _method_arguments(settings):
    """The options of the method, and the seed of the run if it has one."""
    return {
        name: getattr(
            settings, "seed" if name == "seed" else f"{settings.method}_{name}"
        )
        for name in method_options(settings.method)
    }
