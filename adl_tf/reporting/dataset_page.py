"""A page that shows a data set: images with their boxes, and what is odd."""

import os

import numpy as np

from adl_tf.datasets.check import ODD
from adl_tf.datasets.findings import counts, duplicates
from adl_tf.drawing import shrink
from adl_tf.files import write_whole
from adl_tf.reporting.gallery import (
    IMAGE_SIDE,
    data_uri,
    read_image,
    spread,
)
from adl_tf.reporting.pages import page_file, template

# Images of a split, of a kind of odd boxes, and of duplicates.
SAMPLE = 48
ODD_SAMPLE = 12
# How much around an image is shown at most, where a box leaves it.
MARGIN = 0.15


def write_dataset_page(path, dataset, examples, checked=None):
    """Writes the page, one file that needs no network.

    Args:
        path: HTML file to write.
        dataset: Name of the data set.
        examples: Dictionary from the names of splits to `Examples`.
        checked: List of `CheckedSplit` in the same order, or `None`.
    """
    shared = duplicates(checked) if checked else []
    text = template("dataset.html").render(
        dataset=dataset,
        checked=bool(checked),
        style=page_file("report.css"),
        splits={
            name: {
                "images": len(split),
                "boxes": sum(map(len, split.boxes)),
                "cards": [
                    _card(split, place) for place in spread(len(split), SAMPLE)
                ],
            }
            for name, split in examples.items()
        },
        rows=[(name, cells) for name, *cells in counts(checked or [], shared)],
        unreadable=[
            (split.name, [*split.unreadable, *split.bad_masks])
            for split in checked or ()
            if split.unreadable or split.bad_masks
        ],
        odd=_odd(checked or ()),
        duplicates={
            "count": len(shared),
            "groups": [
                [
                    (checked[number].name, _card(checked[number].examples, n))
                    for number, n in group
                ]
                for group in shared[:ODD_SAMPLE]
            ],
        },
        classes=_classes(examples),
    )
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    write_whole(path, text)


def _odd(checked):
    """Dictionaries of a kind of odd boxes with images that show it."""
    found = []
    for kind in ODD:
        all_of_it = [
            (split, place)
            for split in checked
            for place in split.odd_boxes[kind]
        ]
        if all_of_it:
            found.append(
                {
                    "kind": kind,
                    "count": len(all_of_it),
                    "cards": [
                        (split.name, _card(split.examples, place))
                        for split, place in all_of_it[:ODD_SAMPLE]
                    ],
                }
            )
    return found


def _classes(examples):
    """Rows of a class: its name, and images of it in each split."""
    names = max((split.class_names for split in examples.values()), key=len)
    columns = [
        np.bincount(split.labels, minlength=len(names))
        for split in examples.values()
    ]
    most = max(1, *(int(column.max(initial=0)) for column in columns))
    return [
        (name, [(int(count), round(100 * count / most, 1)) for count in row])
        for name, *row in zip(names, *columns)
    ]


def _card(examples, place):
    """What the page shows of an image."""
    boxes = np.asarray(examples.boxes[place], float)
    byte_ranges = examples.byte_ranges
    image = read_image(
        examples.paths[place],
        None if byte_ranges is None else byte_ranges[place],
    )
    source = None
    width, height = (1, 1) if image is None else image.shape[1::-1]
    if image is not None:
        source = data_uri(shrink(image, IMAGE_SIDE)[0])
    if examples.sizes is not None and len(boxes):
        width, height = (int(side) for side in examples.sizes[place])
    return {
        "name": examples.image_ids[place],
        "class": examples.class_names[examples.labels[place]],
        "source": source,
        "size": (width, height),
        "view": _view(boxes, width, height),
        # A box of no width is still to be seen.
        "boxes": [
            (x0, y0, max(1, x1 - x0), max(1, y1 - y0))
            for x0, y0, x1, y1 in boxes
        ],
    }


def _view(boxes, width, height):
    """x, y, width and height of what is shown: boxes, too, if not too far."""
    size = np.array([width, height])
    begin = np.clip(boxes[:, :2].min(0, initial=0), -MARGIN * size, 0)
    end = boxes[:, 2:].max(0, initial=0) + 1
    end = np.clip(end, size, (1 + MARGIN) * size)
    return [round(float(value), 1) for value in (*begin, *(end - begin))]
