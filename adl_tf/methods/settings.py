"""From flags to a model: the same for training, evaluation and export."""

import keras

from adl_tf.errors import UsageError
from adl_tf.methods.build import assemble
from adl_tf.models.classifier import backbone_options


def assemble_from_settings(settings, weights):
    """Builds the model that the flags describe.

    Args:
        settings: Namespace with the flags of `adl_tf.flags`.
        weights: `"imagenet"`, `"none"`, `None` or a path.

    Returns:
        As `assemble`: objective, backbone and names of new layers.

    Raises:
        UsageError: If a value is not possible.
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
    """The options of the backbone that the flags name.

    Args:
        settings: Namespace with `backbone`, `backbone_options`, `last_stride`.

    Returns:
        Dictionary of arguments.

    Raises:
        UsageError: If `backbone_options` cannot be read.
        ValueError: If there is no such backbone.
    """
    arguments = {}
    if settings.last_stride is not None:
        # Work directories of networks without it have this flag too.
        if "last_stride" in backbone_options(settings.backbone):
            arguments["last_stride"] = settings.last_stride
    for option in (settings.backbone_options or "").split(","):
        if not option:
            continue
        name, equals, value = option.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise UsageError(
                f"--backbone_options={settings.backbone_options}: '{option}' "
                "is not of the form name=value"
            )
        arguments[name.strip()] = _number(name, value)
    return arguments


def _number(name, value):
    try:
        return float(value) if "." in value else int(value)
    except ValueError as error:
        raise UsageError(
            f"--backbone_options: {name.strip()}={value.strip()} is not a "
            "number"
        ) from error


def _method_arguments(settings):
    arguments = _ARGUMENTS.get(settings.method)
    return arguments(settings) if arguments else {}


def named_layers(text):
    """What a flag says of layers.

    Args:
        text: Names with commas between, a regular expression, or `None`.

    Returns:
        List of names, or the text.
    """
    if text and "," in text:
        return [name.strip() for name in text.split(",")]
    return text


def _adl_arguments(settings):
    return {
        "positions": named_layers(settings.adl_positions),
        "gamma": settings.adl_gamma,
        "drop_rate": settings.adl_drop_rate,
        "importance_rate": settings.adl_importance_rate,
        "selection": settings.adl_selection,
        "seed": settings.seed,
    }


def _has_arguments(settings):
    patch_size = settings.has_patch_size
    if patch_size != "mixed":
        sizes = _numbers("has_patch_size", patch_size, int)
        patch_size = sizes[0] if len(sizes) == 1 else sizes
    return {
        "patch_size": patch_size,
        "hide_rate": settings.has_hide_rate,
        "seed": settings.seed,
    }


def _spg_arguments(settings):
    numbers = _numbers("spg_thresholds", settings.spg_thresholds, float)
    return {
        "thresholds": [numbers[i : i + 2] for i in range(0, len(numbers), 2)]
    }


def _cutmix_arguments(settings):
    return {
        "beta": settings.cutmix_beta,
        "probability": settings.cutmix_probability,
        "area_corrected": settings.cutmix_area_corrected,
        "seed": settings.seed,
    }


def _numbers(flag, text, kind):
    """The numbers of a flag, separated by commas."""
    try:
        return [kind(number) for number in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--{flag}={text} is not a list of "
            f"{'whole ' if kind is int else ''}numbers separated by commas"
        ) from error


_ARGUMENTS = {
    "has": _has_arguments,
    "acol": lambda settings: {"threshold": settings.acol_threshold},
    "spg": _spg_arguments,
    "adl": _adl_arguments,
    "cutmix": _cutmix_arguments,
}
