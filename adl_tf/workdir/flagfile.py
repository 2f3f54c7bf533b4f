"""Flagfiles, such as flags.cfg, read as names and text."""

import os

from adl_tf.text_files import read_lines


def read_flags(path):
    """Reads a flagfile.

    Args:
        path: Path of the file.

    Returns:
        Dictionary from names to values, as text; empty without the file.
    """
    if not os.path.isfile(path):
        return {}
    pairs = [
        line.removeprefix("--").partition("=")
        for line in read_lines(path)
        if line.startswith("--")
    ]
    return {flag: value for flag, _, value in pairs}
