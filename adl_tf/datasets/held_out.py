"""Validation images out of a training split."""

import hashlib

import numpy as np

from adl_tf.errors import UsageError


def held_out(examples, count, part):
    """Divides a split into images for validation and all others.

    Which images are held out depends on their names alone: of each class the
    `count` whose names have the smallest SHA-256. They stay the same on every
    machine, with other classes beside them, and in another order.

    Args:
        examples: `Examples`.
        count: Number of images of each class that are held out, 1 or more.
        part: `"val"` for the images held out, `"fit"` for the others.

    Returns:
        `Examples` of the same classes, in the same order.

    Raises:
        UsageError: If `count` is 0, or leaves a class without images to train
            on.
    """
    if count < 1:
        raise UsageError(f"a split that holds out {count} images a class")
    counts = np.bincount(examples.labels, minlength=examples.num_classes)
    for label, number in enumerate(counts):
        if 0 < number <= count:
            raise UsageError(
                f"{count} validation images a class leave none of the "
                f"{number} of '{examples.class_names[label]}' to train on"
            )
    ranked = sorted(range(len(examples)), key=lambda i: _key(examples, i))
    taken, is_held_out = np.zeros_like(counts), np.zeros(len(examples), bool)
    for index in ranked:
        label = examples.labels[index]
        is_held_out[index] = taken[label] < count
        taken[label] += 1
    wanted = is_held_out if part == "val" else ~is_held_out
    return examples.take(np.flatnonzero(wanted).tolist())


def _key(examples, index):
    return hashlib.sha256(examples.image_ids[index].encode()).digest()
