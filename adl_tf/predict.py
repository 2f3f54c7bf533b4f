"""Localises objects in images with an exported model.

    python -m adl_tf.predict --saved_model=runs/saved \\
        --images='photographs/*.jpg' --output_dir=runs/answers

Writes predictions.jsonl, a drawing of every image with heatmap and box, and
index.html, a page that shows them; with --masks also what is above the
threshold, as a PNG file of the size of each image. Predictions of an earlier
call in --output_dir are replaced. An image that cannot be read is listed in
the file, on the page and at the end, and the work goes on; the exit status is
then 1, though the predictions for the others are there.
"""

import os

from absl import flags as absl_flags

from adl_tf import command
from adl_tf.errors import DataError, UsageError
from adl_tf.files import check_replaceable

# What is written into --output_dir.
_WRITTEN = {
    "drawings",
    "heatmaps",
    "index.html",
    "masks",
    "predictions.jsonl",
}

absl_flags.DEFINE_string(
    "saved_model", None, "Folder that adl_tf.export wrote."
)
absl_flags.DEFINE_string(
    "images",
    None,
    "Images: files, folders or patterns, with commas between; - for a list "
    "of files on the standard input, one a line.",
)
absl_flags.DEFINE_integer(
    "class_id", None, "Class to look for, from 0 [the most probable one].", 0
)
absl_flags.DEFINE_float(
    "threshold",
    None,
    "Threshold of the boxes [the one that the model was exported with].",
    0,
    1,
)
absl_flags.DEFINE_bool(
    "masks", False, "Write what is above the threshold as PNG files."
)
absl_flags.DEFINE_string("output_dir", None, "Folder to write to.")
absl_flags.DEFINE_string("title", "Localised images", "Heading of the page.")


def main(values):
    for name in ("saved_model", "images", "output_dir"):
        if not values[name].value:
            raise UsageError(f"--{name} is needed")
    from adl_tf.training.memory import keep_freed_memory

    keep_freed_memory()
    command.require_folder("saved_model", values.saved_model, "adl_tf.export")
    from adl_tf.reporting.images import find_images

    paths, passed_over = find_images(values.images, values.output_dir)
    replaces = check_replaceable(
        values.output_dir, _WRITTEN, "predictions.jsonl"
    )
    command.load_tensorflow()
    from adl_tf.exported.loading import load_exported
    from adl_tf.reporting.prediction import predict

    model = load_exported(values.saved_model)
    if replaces:
        print(f"earlier predictions in {values.output_dir} are replaced")
    page, failed, whole = predict(
        model,
        paths,
        values.output_dir,
        values.class_id,
        values.threshold,
        masks=values.masks,
        title=values.title,
    )
    if failed:
        print("could not be read:")
        for record in failed:
            print(f"  {_printable(record['image'])}: {record['error']}")
    if passed_over:
        print(
            "passed over, as they do not end as images do: "
            f"{len(passed_over)}, such as {_printable(passed_over[0])}"
        )
    localised = len(paths) - len(failed)
    print(f"localised: {localised} of {len(paths)} images; open {page}")
    if localised >= 5 and whole > localised / 2:
        print(
            f"{whole} of {localised} boxes cover nearly the whole image: try "
            "a higher --threshold"
        )
    if failed:
        if not localised:
            raise DataError(f"none of {len(paths)} images could be read")
        raise DataError(
            f"{len(failed)} of {len(paths)} images could not be read: listed "
            "above; predictions for the others are written"
        )


def _printable(path):
    """A path without what the terminal's encoding may lack."""
    return os.fsencode(path).decode(errors="backslashreplace")


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.predict",
        (
            "saved_model",
            "images",
            "class_id",
            "threshold",
            "masks",
            "output_dir",
            "title",
        ),
    )
