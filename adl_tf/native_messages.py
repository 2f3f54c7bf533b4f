"""What native libraries write to the standard error, past Python."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def native_messages():
    """Keeps lines off the terminal that this process writes meanwhile.

    libjpeg complains there of images that it can decode all the same, and
    does not say of which.

    Yields:
        List that holds the lines in the end.
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
