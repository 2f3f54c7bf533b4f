"""From flags to a model: the same for training, evaluation and export."""

import keras

from adl_tf.errors import UsageError
from adl_tf.methods.build import assemble


def assemble_from_settings(settings, weights):
    """Builds the model that the flags describe.

    Args:
        settings: Namespace with the flags of `adl_tf.flags`.
        weights: `"imagenet"`, `"none"`, `None` or a path.

    Returns:
        As `assemble`: model, backbone and names of new layers.

    Raises:
        UsageError: If a value is not possible.
    """
    precision = settings.mixed_precision
    keras.mixed_precision.set_global_policy(
        "float32" if precision == "off" else f"mixed_{precision}"
    )
    backbone_arguments = {}
    if settings.backbone in ("mobilenet_v1", "resnet50", "resnet50_se"):
        backbone_arguments["last_stride"] = settings.last_stride
    try:
        return assemble(
            settings.backbone,
            settings.method,
            settings.num_classes,
            None if weights == "none" else weights,
            (settings.input_size, settings.input_size, 3),
            backbone_arguments,
            **_method_arguments(settings),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _method_arguments(settings):
    if settings.method != "adl":
        return {}
    positions = settings.adl_positions
    if positions and "," in positions:
        positions = [name.strip() for name in positions.split(",")]
    return {
        "positions": positions,
        "gamma": settings.adl_gamma,
        "drop_rate": settings.adl_drop_rate,
        "importance_rate": settings.adl_importance_rate,
        "selection": settings.adl_selection,
        "seed": settings.seed,
    }
