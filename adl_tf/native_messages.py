"""Messages that native libraries write to the standard error."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def native_messages():
    """Collects what is written to the standard error, and shows none of it.

    libjpeg complains there about images that it can decode all the same, and
    does not name them.

    Yields:
        List that holds the lines after the context ends.
    """
    messages = []
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield messages
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            messages += file.read().decode(errors="replace").splitlines()
