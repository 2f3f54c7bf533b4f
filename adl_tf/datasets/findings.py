"""Findings of a check as text: counts, names, and problems."""

import collections

import numpy as np

from adl_tf.datasets.check import ODD, ODD_MASKS
from adl_tf.errors import DataError

# Images of one kind that are listed; the others are counted.
MAX_NAMED = 10


def as_text(splits):
    """A table of counts, and the names of the images that were counted.

    Args:
        splits: List of `CheckedSplit`.

    Returns:
        Text of several lines.
    """
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
    """Lines that list the findings of a split."""
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
    for kind, places in split.odd_masks.items():
        found = [names[place] for place in places]
        lines += _listed(f"{split.name}, {kind}", found)
    if not examples.has_ground_truth:
        lines += [
            "",
            f"{split.name} has neither boxes nor masks: it can be trained "
            "on, but not scored",
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


def duplicates(splits):
    """Images that occur more than once.

    Args:
        splits: List of `CheckedSplit`.

    Returns:
        List of groups, each a list of tuples (number of the split, index in
        it) of images whose pixels are equal, and those with the most splits
        first.
    """
    groups = collections.defaultdict(list)
    for number, split in enumerate(splits):
        for place, image in enumerate(split.images):
            if not image.error:
                groups[image.digest].append((number, place))
    found = [group for group in groups.values() if len(group) > 1]
    return sorted(found, key=lambda group: -len({split for split, _ in group}))


def counts(splits, shared):
    """Rows of numbers, one column a split.

    Args:
        splits: List of `CheckedSplit`.
        shared: What `duplicates` returned.

    Returns:
        List of tuples: a name, and text for each split.
    """

    def a_class(split):
        examples = split.examples
        each = np.bincount(examples.labels, minlength=examples.num_classes)
        return f"{min(each, default=0)}-{max(each, default=0)}"

    def repeated(split, across):
        number = splits.index(split)
        return sum(
            len({other for other, _ in group}) > 1 or not across
            for group in shared
            for other, _ in group
            if other == number
        )

    rows = {
        "images": lambda split: len(split.examples),
        "cannot be read": lambda split: len(split.unreadable),
        "damaged": lambda split: len(split.damaged),
        "classes": lambda split: split.examples.num_classes,
        "images a class": a_class,
        "boxes": lambda split: sum(map(len, split.examples.boxes)),
        "without a box": lambda split: len(split.without_box),
        **{
            f"with {kind}": lambda split, kind=kind: len(split.odd_boxes[kind])
            for kind in ODD
        },
        **{
            f"with {kind}": lambda split, kind=kind: len(
                split.odd_masks.get(kind, ())
            )
            for kind in ODD_MASKS
        },
        "images given twice": lambda split: repeated(split, False),
        "also in another split": lambda split: repeated(split, True),
    }
    return [
        (name, *(_text(count(split)) for split in splits))
        for name, count in rows.items()
    ]


def _text(count):
    return count if isinstance(count, str) else f"{count:,}"


def problems(splits):
    """Findings that make training or evaluation fail or mean nothing.

    Args:
        splits: List of `CheckedSplit`.

    Returns:
        List of text, one a problem.
    """
    found = []
    for split in splits:
        if not len(split.examples):
            found.append(f"{split.name} has no images")
        if split.unreadable:
            found.append(
                f"{_counted(split.unreadable, 'image')} of {split.name} "
                "cannot be read"
            )
        if split.bad_masks:
            found.append(
                f"{_counted(split.bad_masks, 'mask')} of {split.name} cannot "
                "be read"
            )
        found += [
            f"{_counted(places, 'image')} of {split.name} with {kind}"
            for kind, places in split.odd_masks.items()
            if places
        ]
        if split.has_fractions:
            found.append(
                f"all boxes of {split.name} lie within 0 to 1: boxes have to "
                "be in pixels"
            )
        if split.name.startswith("train") and _one_class(split.examples):
            found.append(
                f"all images of {split.name} are of one class, so there is "
                "nothing to tell apart"
            )
        # Training needs no boxes.
        if split.without_box and not split.name.startswith("train"):
            found.append(
                f"{_counted(split.without_box, 'image')} of {split.name} "
                "without a box, which evaluation needs"
            )
    return found + _other_classes(splits[0], splits[1:])


def _other_classes(first, others):
    """Splits whose classes cannot be matched with those of the first."""
    found = []
    for split in others:
        try:
            split.examples.relabelled(first.examples.class_names, first.name)
        except DataError as error:
            found.append(
                f"the splits have different classes: in {split.name}, {error}"
            )
    return found


def _one_class(examples):
    return len(np.unique(examples.labels)) == 1


def _counted(items, noun):
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
