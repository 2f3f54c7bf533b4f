"""Checks a data set, and shows its images with their boxes.

    python -m adl_tf.datasets --dataset=cub --data_dir=CUB_200_2011 --check
    python -m adl_tf.datasets --dataset=cub --data_dir=CUB_200_2011 \\
        --show=cub.html

--check decodes every image and mask, and lists those that cannot be read, odd
boxes and masks, images that several splits share, and classes without images.
The exit status is 1 if training or evaluation would fail or mean nothing.
--show writes one HTML file that needs no network: a sample of each split, and
with --check the findings.
"""

import os

from absl import flags as absl_flags

from adl_tf import command, flags
from adl_tf.errors import DataError, UsageError

absl_flags.DEFINE_list(
    "splits",
    None,
    "Splits, separated by commas [all].",
)
absl_flags.DEFINE_bool(
    "check", False, "Decode every image and mask, and list what is wrong."
)
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
    """Dictionary from the names of splits to `Examples`; of all by default.

    Errors in the files of all splits are reported at once.
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
