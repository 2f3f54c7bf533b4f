"""Localises objects in pictures with an exported model.

    python -m adl_tf.predict --saved_model=runs/saved \\
        --images='photographs/*.jpg' --output_dir=runs/answers

Writes predictions.jsonl, a drawing of every picture with heatmap and box, and
index.html, a page that shows them. A picture that cannot be read is listed
there, and the work goes on.
"""

from absl import flags as absl_flags

from adl_tf import command
from adl_tf.errors import UsageError

absl_flags.DEFINE_string(
    "saved_model", None, "Folder that adl_tf.export wrote."
)
absl_flags.DEFINE_list(
    "images", None, "Pictures: files, folders or patterns, with commas between."
)
absl_flags.DEFINE_integer(
    "class_id", None, "Class to look for, from 0 [the most probable one].", 0
)
absl_flags.DEFINE_string("output_dir", None, "Folder to write to.")
absl_flags.DEFINE_string("title", "Localised pictures", "Heading of the page.")


def main(values):
    for name in ("saved_model", "images", "output_dir"):
        if not values[name].value:
            raise UsageError(f"--{name} is needed")
    command.load_tensorflow()
    from adl_tf.reporting.prediction import find_pictures, predict

    paths = find_pictures(values.images)
    page, failed = predict(
        values.saved_model,
        paths,
        values.output_dir,
        class_id=values.class_id,
        title=values.title,
    )
    if failed:
        print(f"{len(failed)} of {len(paths)} pictures could not be read:")
        for record in failed:
            print(f"  {record['image']}: {record['error']}")
    print(f"{len(paths) - len(failed)} pictures localised: open {page}")


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.predict",
        ("saved_model", "images", "class_id", "output_dir", "title"),
    )
