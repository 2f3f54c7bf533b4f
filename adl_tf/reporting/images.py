"""The images that a command line names."""

import glob
import os
import sys

from adl_tf.datasets.image_formats import ENDINGS
from adl_tf.errors import UsageError


def find_images(images, output_dir=None):
    """Paths of the images that files, folders and patterns stand for.

    Args:
        images: Text: files, folders and patterns with commas between, or one
            of them that has commas itself; `-` stands for the lines of
            standard input, each of which is the path of a file.
        output_dir: Folder that drawings are written to, or `None`.

    Returns:
        Tuple of the sorted list of paths, each once, and the sorted list of
        the files in folders that were passed over, since they do not end as
        images do. A file that is named is there however it ends.

    Raises:
        UsageError: If one of them stands for nothing, or the drawings in
            `output_dir` would lie among the images.
    """
    paths, passed_over = set(), set()
    for pattern in [images] if _files(images) else images.split(","):
        found = _standard_input() if pattern == "-" else _files(pattern)
        if os.path.isdir(os.path.expanduser(pattern)):
            _refuse_within(pattern, output_dir, pattern)
            others = {p for p in found if not p.lower().endswith(ENDINGS)}
            passed_over |= others
            found = found - others
        if not found:
            raise UsageError(_nothing(pattern, images))
        paths |= found
    for folder in {os.path.dirname(path) for path in paths}:
        _refuse_within(output_dir, folder, folder)
    return sorted(paths), sorted(passed_over - paths)


def _refuse_within(outer, inner, images):
    """Refuses drawings among images: the next call would read them, too."""
    if None in (outer, inner):
        return
    outer, inner = (
        os.path.realpath(os.path.expanduser(path)) for path in (outer, inner)
    )
    if os.path.commonpath([inner, outer]) == outer:
        raise UsageError(
            f"--output_dir and the images in {images or os.curdir} have to "
            "lie apart, or drawings become images the next time: take "
            "another --output_dir"
        )


def _nothing(pattern, images):
    if pattern == "-":
        return (
            "--images=- wants paths of images on the standard input, one a "
            "line, and there is none"
        )
    alone = ""
    if "," in images:
        alone = (
            " (commas part names; one that has a comma goes alone, or into "
            "the list of --images=-)"
        )
    return f"--images={pattern}: there is no such image{alone}"


def _standard_input():
    # Files that do not exist are reported as images that cannot be read.
    # Bytes: names of files need not be text in any encoding.
    lines = sys.stdin.buffer.read().split(b"\n")
    return {os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip()}


def _files(pattern):
    pattern = os.path.expanduser(pattern)
    if os.path.isdir(pattern):
        return set(_files_below(pattern))
    if os.path.isfile(pattern):
        return {pattern}
    found = glob.glob(pattern, recursive=True)
    return {path for path in found if os.path.isfile(path)}


def _files_below(folder):
    """Yields the files below a folder, linked folders included, each once."""
    seen = set()
    for inner, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(inner)
        if real in seen:  # A link back up, or to a folder beside it.
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            yield os.path.join(inner, name)
