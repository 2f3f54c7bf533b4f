"""Which pictures a command line means."""

import glob
import os
import sys

from adl_tf.datasets.picture_formats import ENDINGS
from adl_tf.errors import UsageError


def find_pictures(patterns):
    """Paths of the pictures that files, folders and patterns stand for.

    Args:
        patterns: List of text; `-` stands for the lines of standard input,
            each of which is the path of a file.

    Returns:
        Tuple of the sorted list of paths, each once, and the sorted list of
        the files in folders that were passed over, since they do not end as
        pictures do. A file that is named is there however it ends.

    Raises:
        UsageError: If one of them stands for nothing.
    """
    paths, passed_over = set(), set()
    for pattern in patterns:
        found = _standard_input() if pattern == "-" else _files(pattern)
        if os.path.isdir(os.path.expanduser(pattern)):
            others = {p for p in found if not p.lower().endswith(ENDINGS)}
            passed_over |= others
            found = found - others
        if not found:
            raise UsageError(f"--images={pattern}: there is no such picture")
        paths |= found
    return sorted(paths), sorted(passed_over - paths)


def _standard_input():
    # Files that do not exist are reported as pictures that cannot be read.
    return {line.rstrip("\r\n") for line in sys.stdin if line.strip()}


def _files(pattern):
    pattern = os.path.expanduser(pattern)
    if os.path.isdir(pattern):
        return {
            os.path.join(folder, name)
            for folder, _, names in os.walk(pattern)
            for name in names
        }
    if os.path.isfile(pattern):
        return {pattern}
    found = glob.glob(pattern, recursive=True)
    return {path for path in found if os.path.isfile(path)}
