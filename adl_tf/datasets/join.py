"""Boxes from metadata files for the images of another data set."""

import dataclasses

import numpy as np

from adl_tf.datasets.metadata import metadata
from adl_tf.errors import DataError


def with_boxes(examples, folder):
    """Examples with the boxes of metadata files, joined by file name.

    Args:
        examples: `Examples` whose `image_ids` are file names, with or without
            folders: `ILSVRC2012_val_00000001.JPEG`, `0/1.jpeg`.
        folder: Folder of the metadata files of one split. Paths there have to
            end in these names. Labels and images of the folder are not used.

    Returns:
        `Examples`. An image that is not in the files has no box.

    Raises:
        DataError: If a file is missing or malformed, two paths end in one
            name, or no image is found.
    """
    known = metadata(folder, "", with_images=False)
    lengths = {name.count("/") + 1 for name in examples.image_ids}
    places = {}
    for place, path in enumerate(known.image_ids):
        parts = path.split("/")
        for length in lengths:
            if length <= len(parts):
                name = "/".join(parts[-length:])
                places.setdefault(name, []).append(place)
    boxes, sizes, found = [], np.ones((len(examples), 2), int), 0
    for index, name in enumerate(examples.image_ids):
        place, *others = places.get(name, (None,))
        if others:
            raise DataError(
                f"{folder}: {known.image_ids[place]} and "
                f"{known.image_ids[others[0]]} both end in {name}"
            )
        if place is None:
            boxes.append(np.zeros((0, 4), np.float32))
            continue
        boxes.append(known.boxes[place])
        sizes[index] = known.sizes[place]
        found += 1
    if not found:
        raise DataError(
            f"{folder} knows none of the images, such as "
            f"{examples.image_ids[0] if len(examples) else 'none'}: is it the "
            "folder of this split?"
        )
    return dataclasses.replace(examples, boxes=boxes, sizes=sizes)
