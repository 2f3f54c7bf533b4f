"""The flags in a flagfile, such as flags.cfg, without what they mean."""

import os

from adl_tf.text_files import read_lines


def read_flags(path):
    """Reads a flagfile.

    Args:
        path: Of the file.

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
