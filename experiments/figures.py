"""Draws the paper's Figures 2 to 4 from work directories, as PNG.

    python -m experiments.figures --figure=2 --workdir=runs/cub25/vgg_gap_adl_s0
    python -m experiments.figures --figure=3 \\
        --workdir=runs/cub25/vgg_gap_adl_s0 \\
        --baseline=runs/cub25/vgg_gap_cam_s0

Figure 2: self-attention map of each layer that ADL follows, or of --layers, and
the image without what the drop mask hides there. Figure 3: images with the
true box (red) and the estimated one (green), heatmap, and both, without ADL and
with it, at the threshold 0.2; those where ADL gains most of all that both
classify right. Figure 4: the same where it loses most. Both work directories
have to be evaluated on the same images, under adl_cvpr19.
"""

import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError

absl_flags.DEFINE_enum("figure", "3", ("2", "3", "4"), "The figure.")
absl_flags.DEFINE_string(
    "baseline", None, "With --figure=3 or 4: work directory without ADL."
)
absl_flags.DEFINE_string(
    "layers",
    None,
    "With --figure=2: layers, names with commas between or one regular "
    "expression [where ADL is].",
)
absl_flags.DEFINE_integer("images", 4, "Number of images.", 1)
absl_flags.DEFINE_string(
    "output", None, "PNG file to write [figure<N>.png in the work directory]."
)


def main(values):
    if not values.workdir:
        raise UsageError("--workdir is needed: a run with ADL")
    output = values.output or os.path.join(
        values.workdir, f"figure{values.figure}.png"
    )
    if values.figure == "2":
        command.load_tensorflow()
        from adl_tf.methods.settings import named_layers
        from experiments.figure_of_maps import draw_maps

        layers = named_layers(values.layers)
        image = draw_maps(flags.settings(values), layers, values.images)
    else:
        if not values.baseline:
            raise UsageError(f"--figure={values.figure} needs --baseline")
        command.require_folder("baseline", values.baseline, "adl_tf.train")
        from experiments.figure_of_boxes import draw_boxes

        image = draw_boxes(
            values.baseline,
            values.workdir,
            values.images,
            losses=values.figure == "4",
        )
    from adl_tf.drawing import write_image

    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    write_image(output, image)
    print(f"written: {output}")


if __name__ == "__main__":
    command.run(
        main,
        "experiments.figures",
        (
            "figure",
            "workdir",
            "baseline",
            "layers",
            "images",
            "output",
            "data_dir",
        ),
        from_workdir=True,
    )
