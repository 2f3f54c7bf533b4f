"""Names of splits, which tools spell in several ways."""

_SPELLINGS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def spellings(split):
    """Names that a split may have on disk.

    Args:
        split: Name of a split.

    Returns:
        Tuple of names, the given one first.

    Example:

    >>> spellings("val")
    ('val', 'valid', 'validation')
    """
    for names in _SPELLINGS.values():
        if split in names:
            return (split, *(name for name in names if name != split))
    return (split,)


def usual_names(found):
    """The names of splits as flags have them.

    Args:
        found: Names on disk.

    Returns:
        List of names: `"valid"` is `"val"`, unless there is that, too.
    """
    return [
        next(
            (
                usual
                for usual, names in _SPELLINGS.items()
                if name in names and usual not in found
            ),
            name,
        )
        for name in found
    ]
