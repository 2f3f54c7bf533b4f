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

# Damaged images, odd boxes and duplicates of which the name is printed.
MAX_NAMED = 10


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
        checked = _check(examples)
        print(as_text(checked))
    if values.show:
        from adl_tf.reporting.dataset_page import write_dataset_page

        write_dataset_page(values.show, settings.dataset, examples, checked)
        print(f"written: open {os.path.abspath(values.show)}")
    if checked:
        _refuse(checked)


def _read(settings, splits):
    """Dictionary from the names of splits, all without any, to `Examples`.

    What is wrong with the files of one does not keep the others from being
    read, so that all is told at once.
    """
    from adl_tf.datasets.load import load_examples, split_names

    examples, errors = {}, {}
    for split in splits or split_names(settings.dataset, settings.data_dir):
        try:
            examples[split] = load_examples(
                settings.dataset,
                settings.data_dir,
                split,
                settings.classes,
                settings.boxes,
            )
        except DataError as error:
            errors[split] = error
    if len(errors) > 1:
        for split, error in errors.items():
            print(f"{split}: {error}\n")
        raise DataError(f"the splits {', '.join(errors)} cannot be read")
    for error in errors.values():
        raise error
    return examples


def _refuse(checked):
    from adl_tf.datasets.check import problems

    found = problems(checked)
    if found:
        raise DataError("; ".join(found))


def _check(examples):
    from tqdm import tqdm

    from adl_tf.datasets.check import check_split

    return [
        check_split(
            name,
            split,
            lambda items, count, name=name: tqdm(
                items, f"checking {name}", count, leave=False, disable=None
            ),
        )
        for name, split in examples.items()
    ]


def as_text(splits):
    """What was found, as a table of counts and the names that belong to it.

    Args:
        splits: List of `CheckedSplit`.

    Returns:
        Text of several lines.
    """
    from adl_tf.datasets.check import counts, duplicates

    shared = duplicates(splits)
    rows = [("", *(split.name for split in splits)), *counts(splits, shared)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(
            (name.ljust(widths[0]), *map(str.rjust, cells, widths[1:]))
        ).rstrip()
        for name, *cells in rows
    ]
    for split in splits:
        lines += _findings(split)
    labels = [number for split in splits for number in split.examples.labels]
    if min(labels, default=0) > 0:
        lines += ["", "no image is of class 0: class numbers start at 0"]
    lines += _listed(
        "the same image",
        [
            " = ".join(_described(splits[number], place) for number, place in g)
            for g in shared
        ],
    )
    return "\n".join(lines)


def _findings(split):
    """Lines that name what is wrong with a split."""
    examples, lines = split.examples, []
    bad = [*split.unreadable, *split.bad_masks]
    lines += _listed(
        f"{split.name}, cannot be read",
        [f"{path}: {error}" for path, error in bad],
        limit=None,
    )
    lines += _listed(
        f"{split.name}, damaged, but can be read",
        [f"{path}: {complaint}" for path, complaint in split.damaged],
    )
    names = examples.image_ids
    for kind, places in split.odd_boxes.items():
        found = [names[place] for place in places]
        lines += _listed(f"{split.name}, {kind}", found)
    found = [names[place] for place in split.without_box]
    lines += _listed(f"{split.name}, without a box", found)
    if not examples.has_ground_truth:
        lines += [
            "",
            f"{split.name} has neither boxes nor masks: it can be trained "
            "on, and not be scored",
        ]
    without = set(range(examples.num_classes)) - set(examples.labels)
    lines += _listed(
        f"{split.name}, classes without images",
        [examples.class_names[number] for number in sorted(without)],
    )
    return lines


def _described(split, place):
    examples = split.examples
    name = examples.class_names[examples.labels[place]]
    return f"{split.name} {examples.image_ids[place]} ({name})"


def _listed(heading, items, limit=MAX_NAMED):
    if not items:
        return []
    lines = ["", f"{heading}:", *(f"  {item}" for item in items[:limit])]
    if limit and len(items) > limit:
        lines.append(f"  and {len(items) - limit} more")
    return lines


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
