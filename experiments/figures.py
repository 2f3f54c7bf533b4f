"""Draws the paper's Figures 2 to 4 from work directories, as PNG, PDF or SVG.

    python -m experiments.figures --figure=2 --workdir=runs/cub25/vgg_gap_adl_s0
    python -m experiments.figures --figure=3 \\
        --workdir=runs/cub25/vgg_gap_adl_s0 \\
        --baseline=runs/cub25/vgg_gap_cam_s0 --output=gains.pdf

Figure 2: self-attention map of each layer that ADL follows, or of --layers, and
the image without what the drop mask hides there. Figure 3: images with the
ground truth box (red) and the predicted one (green), heatmap, and both, without
ADL and with it, at the fixed threshold; those where ADL gains most of all that
both classify right. Figure 4: the same where it loses most. Both work
directories have to be evaluated on the same images, under adl_cvpr19. Needs
pip install 'adl-tf[experiments]'.
"""

import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError
from adl_tf.flag_text import layer_names

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
absl_flags.DEFINE_list(
    "image_ids", None, "With --figure=3 or 4: the images to draw instead."
)
absl_flags.DEFINE_string(
    "colour_map",
    "viridis",
    "Colour map of the heatmaps, a name of matplotlib's; the paper has jet.",
)
absl_flags.DEFINE_string(
    "output",
    None,
    "File to write, .png, .pdf or .svg [figure<N>.png in the work directory].",
)


def main(values):
    if not values.workdir:
        raise UsageError("--workdir is needed: a run with ADL")
    command.require_extra("experiments", "pandas", "matplotlib")
    from experiments.panels import ENDINGS, save

    output = values.output or os.path.join(
        values.workdir, f"figure{values.figure}.png"
    )
    if not output.endswith(ENDINGS):
        raise UsageError(
            f"--output={output} does not end in {', '.join(ENDINGS)}"
        )
    _check_colours(values.colour_map)
    draw = _maps if values.figure == "2" else _boxes
    save(draw(values), output)
    print(f"written: {output}")


def _check_colours(name):
    from matplotlib import colormaps

    if name not in colormaps:
        raise UsageError(
            f"--colour_map={name}: matplotlib has none of that name, but "
            "viridis, inferno, magma, cividis, jet and others"
        )


def _maps(values):
    from adl_tf.datasets.load import load_split

    settings = flags.settings(values)
    command.load_reader(settings.dataset)
    examples = load_split(settings, "test")
    command.load_tensorflow()
    from experiments.figure_of_maps import draw_maps

    layers = values.layers and layer_names(values.layers)
    return draw_maps(
        settings, examples, layers, values.images, values.colour_map
    )


def _boxes(values):
    if not values.baseline:
        raise UsageError(f"--figure={values.figure} needs --baseline")
    command.require_folder("baseline", values.baseline, "adl_tf.train")
    from experiments.figure_of_boxes import draw_boxes

    return draw_boxes(
        values.baseline,
        values.workdir,
        values.images,
        values.figure == "4",
        values.image_ids or (),
        values.colour_map,
    )


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
            "image_ids",
            "colour_map",
            "output",
            "data_dir",
        ),
        from_workdir=True,
    )
