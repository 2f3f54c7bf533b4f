"""Locks of folders: one process writes at a time."""

import contextlib
import errno
import os
import platform
import sys

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from adl_tf.errors import UsageError

# Errors of file systems without locks.
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextlib.contextmanager
def locked(folder, flag, name="lock"):
    """Keeps other processes from writing into the same folder.

    The system releases the lock when the process ends, however it ends. A
    network file system may hold it on one machine only, or not at all: then
    the work goes on without it, and the standard error says so.

    Args:
        folder: The folder; it is created.
        flag: Flag that names the folder, such as `"--workdir=runs/adl"`, for
            the message.
        name: File name of the lock. Work that may go on side by side has
            locks of different names.

    Raises:
        UsageError: If another process holds the lock.
    """
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    # Opened for appending: a failed attempt must not empty the file.
    with open(path, "a+", encoding="utf-8", errors="replace") as file:
        if fcntl is not None:
            _lock(file, folder, flag)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n")
        file.flush()
        yield


def _lock(file, folder, flag):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = " ".join(file.read(200).split()) or "another process"
        raise UsageError(
            f"{flag} is in use by {holder}: stop that run, or take another "
            "folder"
        ) from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        print(
            f"{folder}: its file system has no locks ({error.strerror}); take "
            "care that nothing else writes there",
            file=sys.stderr,
        )
