"""The images that are scored, and those that choose a threshold."""

from adl_tf.errors import DataError, UsageError


def read_splits(read, split, val_split=None):
    """Reads the splits of an evaluation.

    Args:
        read: Function from the name of a split to `Examples`.
        split: Name of the split that is scored.
        val_split: Name of the split that a threshold is chosen on, or `None`.

    Returns:
        Tuple of two `Examples`; the second is `None` without `val_split`.

    Raises:
        DataError: If there is nothing to compare predictions with.
        UsageError: If the splits share images.
    """
    examples = read(split)
    _require_ground_truth("split", split, examples)
    if not val_split:
        return examples, None
    validation = read(val_split)
    _require_ground_truth("val_split", val_split, validation)
    both = set(examples.image_ids) & set(validation.image_ids)
    if both:
        raise UsageError(
            f"--val_split={val_split} and --split={split} share {len(both)} "
            "images: a threshold is chosen on others than it is judged on"
        )
    return examples, validation


def _require_ground_truth(flag, split, examples):
    if len(examples) and not examples.has_ground_truth:
        raise DataError(
            f"--{flag}={split}: its images have neither boxes nor masks to "
            "compare with; a folder of your own has them in localization.txt, "
            "tfds:NAME takes them from --boxes. Without, adl_tf.export "
            "--threshold=0.2 and adl_tf.predict work all the same"
        )
