"""Lists the layers of a network: where ADL goes, and what CAM is made of.

    python -m adl_tf.models --backbone=mobilenet_v1

Names in the table are those that --adl_positions takes. No weights are read.
There are 1000 classes unless --num_classes says otherwise.
"""

import math

from adl_tf import command, flags
from adl_tf.errors import UsageError

HEADER = ("layer", "output", "parameters", "ADL", "CAM")


def main(values):
    settings = flags.settings(values)
    command.load_tensorflow()
    from adl_tf.heatmaps.class_maps import feature_model
    from adl_tf.methods.settings import backbone_arguments
    from adl_tf.models.classifier import build_classifier

    try:
        model, backbone, _ = build_classifier(
            settings.backbone,
            settings.num_classes or 1000,
            None,
            (settings.input_size, settings.input_size, 3),
            **backbone_arguments(settings),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    features = feature_model(model).outputs[1]
    print(as_table(model, backbone.adl_positions, features))
    if not backbone.adl_positions:
        print(f"{settings.backbone} needs --adl_positions for ADL")


def as_table(model, adl_positions, features):
    """A line for each layer of a model.

    Args:
        model: Functional Keras model.
        adl_positions: Names of the layers after which ADL goes by default.
        features: Keras tensor that class activation maps are made from.

    Returns:
        Text, with a line for the numbers of parameters at the end.
    """
    rows = [HEADER]
    for layer in model.layers:
        output = layer.output
        rows.append(
            (
                layer.name,
                "x".join(str(side) for side in output.shape[1:]),
                f"{layer.count_params():,}",
                "default" if layer.name in adl_positions else "",
                "map" if output is features else "",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(
            (
                name.ljust(widths[0]),
                shape.rjust(widths[1]),
                parameters.rjust(widths[2]),
                adl.ljust(widths[3]),
                cam,
            )
        ).rstrip()
        for name, shape, parameters, adl, cam in rows
    ]
    trainable = sum(
        math.prod(weight.shape) for weight in model.trainable_weights
    )
    lines.append(
        f"total: {model.count_params():,} parameters, {trainable:,} of them "
        f"trainable, {4 * trainable / 2**20:.1f} MiB"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.models",
        (
            "backbone",
            "last_stride",
            "backbone_options",
            "input_size",
            "num_classes",
        ),
    )
