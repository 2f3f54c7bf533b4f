"""Checks a data set, and shows its images with their boxes.

    python -m adl_tf.datasets --dataset=cub --data_dir=CUB_200_2011 --check
    python -m adl_tf.datasets --dataset=cub --data_dir=CUB_200_2011 \\
        --show=cub.html

--check reads every file and decodes every image, and lists what is wrong:
images that cannot be read, odd boxes, images that several splits share,
classes without images. The exit status is 1 if training or evaluation would
stumble over something.
--show writes one HTML file that needs no network: a sample of each split, and
with --check what was found.
"""

import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import DataError, UsageError

absl_flags.DEFINE_list(
    "splits",
    None,
    "Splits to look at, each once, with commas between [all there are].",
)
absl_flags.DEFINE_bool("check", False, "Decode every image.")
absl_flags.DEFINE_string("show", None, "HTML file to write.")


def main(values):
    if not values.check and not values.show:
        raise UsageError("--check or --show=FILE.html is needed")
    splits = values.splits or []
    if len(set(splits)) < len(splits):
        raise UsageError(f"--splits={','.join(splits)} names a split twice")
    settings = flags.settings(values)
    command.load_reader(settings.dataset)
    examples = _read(settings, splits)
    checked = None
    if values.check:
        command.load_tensorflow()
        from adl_tf.datasets.check import check_all
        from adl_tf.datasets.findings import as_text

        checked = check_all(examples)
        print(as_text(checked))
    if values.show:
        from adl_tf.reporting.dataset_page import write_dataset_page

        write_dataset_page(values.show, settings.dataset, examples, checked)
        print(f"written: open {os.path.abspath(values.show)}")
    if checked:
        from adl_tf.datasets.findings import problems

        if found := problems(checked):
            raise DataError("; ".join(found))


def _read(settings, splits):
    """Dictionary from the names of splits, all without any, to `Examples`.

    What is wrong with the files of one does not keep the others from being
    read, so that all is told at once.
    """
    from adl_tf.datasets.load import load_split, split_names

    examples, errors = {}, {}
    for split in splits or split_names(settings.dataset, settings.data_dir):
        try:
            examples[split] = load_split(settings, split)
        except DataError as error:
            errors[split] = error
    if len(errors) > 1:
        for split, error in errors.items():
            print(f"{split}: {error}\n")
        raise DataError(f"the splits {', '.join(errors)} cannot be read")
    for error in errors.values():
        raise error
    return examples


if __name__ == "__main__":
    command.run(
        main,
        "adl_tf.datasets",
        (
            "dataset",
            "data_dir",
            "classes",
            "boxes",
            "splits",
            "check",
            "show",
        ),
    )
