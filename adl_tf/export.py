"""Exports a trained model as a SavedModel that returns class, heatmap and box.

    python -m adl_tf.export --workdir=runs/quickstart --output_dir=runs/saved

The SavedModel needs nothing but TensorFlow to run. Its signatures
serving_default (encoded images), images (decoded ones), localize (with the
class to look for) and localize_at (with a threshold, too) are described in
docs/serving.md, as is --format=tflite.
"""

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import UsageError

absl_flags.DEFINE_string(
    "output_dir", None, "Folder to write; an earlier export there is replaced."
)
absl_flags.DEFINE_float(
    "threshold",
    None,
    "Threshold of the boxes, as a share of the heatmap's range [that of "
    "metrics.json: val_tau, or else best_tau; 0.2 without an evaluation].",
    0,
    1,
)
absl_flags.DEFINE_enum(
    "format",
    "saved_model",
    ["saved_model", "tflite"],
    "What to write: a SavedModel, or model.tflite for TensorFlow Lite.",
)
absl_flags.DEFINE_enum(
    "quantize",
    "none",
    ["none", "float16", "int8"],
    "How --format=tflite stores weights; adl_tf.evaluate scores the result.",
)


def main(values):
    if not values.workdir or not values.output_dir:
        raise UsageError(
            "--workdir, the folder of a trained model, and --output_dir are "
            "needed"
        )
    if values.quantize != "none" and values.format != "tflite":
        raise UsageError("--quantize is for --format=tflite")
    from adl_tf.workdir import checkpoints

    checkpoints.require_any(values.workdir)
    command.load_tensorflow()
    from adl_tf.exported.writing import export
    from adl_tf.workdir.trained import class_names, load_trained

    write = None
    if values.format == "tflite":
        from adl_tf.exported.tflite import writer

        write = writer(None if values.quantize == "none" else values.quantize)
    settings = flags.settings(values)
    threshold = export(
        load_trained(settings),
        values.output_dir,
        class_names(settings),
        settings,
        values.threshold,
        write,
    )
    print(
        f"written: {values.output_dir} (threshold {threshold.value:g}, "
        f"{threshold.origin})"
    )
    for doubt in threshold.doubts():
        print(f"look at the boxes, or give another --threshold: {doubt}")


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.export",
        ("workdir", "output_dir", "threshold", "format", "quantize"),
        from_workdir=True,
    )
