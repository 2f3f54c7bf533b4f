"""Files that are never seen half-written."""

import contextlib
import os

from adl_tf.errors import AdlTfError


def write_whole(path, text):
    """Writes a text file, or leaves what was there.

    Args:
        path: The file.
        text: What it is to hold, line ends as they are to be.

    Raises:
        AdlTfError: If it cannot be written.
    """
    partial = path + ".partial"
    try:
        with open(partial, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise AdlTfError(
            f"{path} cannot be written: {error.strerror}; mend that, and "
            "start the same command again"
        ) from error
