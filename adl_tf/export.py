"""Exports a trained model as a SavedModel that answers class, heatmap and box.

    python -m adl_tf.export --workdir=runs/quickstart --output_dir=runs/saved

The SavedModel needs nothing but TensorFlow to run. Its signatures
serving_default (encoded pictures), images (decoded ones) and localize (with
the class to look for) are described in README.md.
"""

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError

absl_flags.DEFINE_string("output_dir", None, "Folder of the SavedModel.")
absl_flags.DEFINE_float(
    "threshold",
    None,
    "Threshold of the boxes, as a share of the heatmap's range [the best one "
    "of metrics.json, or 0.2 without an evaluation].",
    0,
    1,
)


def main(values):
    if not values.workdir or not values.output_dir:
        raise UsageError(
            "--workdir, the folder of a trained model, and --output_dir are "
            "needed"
        )
    command.load_tensorflow()
    from adl_tf.training.export import export
    from adl_tf.training.trained import class_names, load_trained

    settings = flags.settings(values)
    threshold, protocol = export(
        load_trained(settings),
        values.output_dir,
        class_names(settings),
        settings,
        values.threshold,
    )
    origin = f", the best under {protocol}" if protocol else ""
    print(f"written: {values.output_dir} (threshold {threshold:g}{origin})")


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.export",
        ("workdir", "output_dir", "threshold"),
        from_workdir=True,
    )
