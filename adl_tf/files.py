"""Files that are never seen half-written."""

import contextlib
import os

from adl_tf.errors import AdlTfError


@contextlib.contextmanager
def written_whole(path):
    """Writes a file, or leaves what was there.

    Args:
        path: The file.

    Yields:
        Path of another file beside it, which takes its place at the end.

    Raises:
        AdlTfError: If it cannot be written.
    """
    partial = path + ".partial"
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise AdlTfError(
            f"{path} cannot be written: {error.strerror}; mend that, and "
            "start the same command again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.remove(partial)


def write_whole(path, text):
    """Writes a text file, or leaves what was there.

    Args:
        path: The file.
        text: What it is to hold, or an iterable of parts of it; line ends as
            they are to be.

    Raises:
        AdlTfError: If it cannot be written.
    """
    parts = [text] if isinstance(text, str) else text
    with (
        written_whole(path) as partial,
        open(partial, "w", encoding="utf-8", newline="") as file,
    ):
        file.writelines(parts)
