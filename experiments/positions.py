"""Where would ADL hide? Looks at layers before anything is trained.

    python -m experiments.positions --backbone=mobilenet_v1 --dataset=cub \\
        --data_dir=CUB_200_2011 --layers='conv_pw_.*_relu'

ADL hides what is close to the largest self-attention of a layer. That is worth
something where this is on the object. In some networks it is at the border of
the image, which padding makes stand out. For each layer: the share of the
positions of its map that are at the border, the share of the test images whose
strongest attention is there, and the share of positions that ADL would hide.
`python -m adl_tf.models --backbone=NAME` lists the layers.

--workdir looks at the network that a run has trained, and on the data of that
run, instead of at ImageNet's; it needs --layers, too.
"""

import dataclasses
import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError
from adl_tf.flag_text import layer_names

absl_flags.DEFINE_string(
    "layers",
    None,
    "Layers, names with commas between or one regular expression; needed.",
)
absl_flags.DEFINE_integer(
    "images", 200, "Number of test images, spread over the set.", 1
)


def main(values):
    if not values.layers:
        raise UsageError(
            "--layers is needed; python -m adl_tf.models lists them"
        )
    command.require_extra("experiments", "pandas")
    from adl_tf.datasets.load import load_split

    settings = flags.settings(values)
    command.load_reader(settings.dataset)
    examples = load_split(settings, "test")
    command.load_tensorflow()
    import pandas as pd

    from adl_tf.methods.settings import assemble_from_settings
    from adl_tf.workdir.trained import trained_weights
    from experiments.attention import attention_places

    settings = dataclasses.replace(
        settings,
        method="cam",
        num_classes=settings.num_classes or examples.num_classes,
    )
    weights = settings.weights
    if settings.workdir:
        weights = trained_weights(settings.workdir)
    objective, backbone, _ = assemble_from_settings(settings, weights=weights)
    gamma = settings.adl_gamma
    if gamma is None:
        gamma = backbone.adl_gamma
    rows = attention_places(
        objective.model,
        layer_names(values.layers),
        examples,
        settings,
        gamma,
        values.images,
    )
    source = settings.workdir or os.path.basename(weights)
    print(
        f"{settings.backbone}, weights {source}, gamma {gamma:g}, "
        f"{min(values.images, len(examples))} test images; in percent"
    )
    frame = pd.DataFrame(rows)
    size = frame.height.astype(str) + "x" + frame.width.astype(str)
    frame = frame.drop(columns=["height", "width"]).round(1)
    frame.insert(1, "map", size)
    frame.columns = ["layer", "map", "at border", "strongest", "hidden"]
    print(frame.to_string(index=False))
    print("\n".join(warnings(rows)))


def warnings(rows):
    """Lines about layers after which ADL would hide the border.

    Args:
        rows: From `attention_places`.

    Returns:
        List of text, empty if there is no such layer.
    """
    return [
        f"{row['layer']} is no position for ADL: its attention is strongest at "
        "the border for far more images than the border has positions"
        for row in rows
        if row["strongest_at_border"] > max(50, 2 * row["border"])
    ]


if __name__ == "__main__":
    command.run(
        main,
        "experiments.positions",
        (
            "backbone",
            "weights",
            "workdir",
            "dataset",
            "data_dir",
            "classes",
            "layers",
            "images",
            "adl_gamma",
            "input_size",
            "resize_size",
        ),
        from_workdir=True,
    )
