"""Files that are never seen half-written."""

import os


def write_whole(path, text):
    """Writes a text file, or leaves what was there.

    Args:
        path: The file.
        text: What it is to hold.
    """
    with open(path + ".partial", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".partial", path)
