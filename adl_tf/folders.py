"""Atomic replacement of folders."""

import contextlib
import ctypes
import errno
import glob
import os
import shutil
import tempfile

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from adl_tf.errors import AdlTfError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


@contextlib.contextmanager
def replaced_whole(folder):
    """Writes a folder, or leaves what was there, killed at any moment.

    Of several processes that write the same folder, the last one wins; files
    of two are never mixed. Scratch folders of processes that were killed are
    removed.

    Args:
        folder: Folder to write; what it holds is replaced.

    Yields:
        Path of an empty folder beside it, which takes its place at the end.

    Raises:
        AdlTfError: If it cannot be written; what was there is as it was.
    """
    place = os.path.realpath(folder)
    parent, name = os.path.split(place)
    prefix = f".{name}.partial-"
    scratch, lock = None, None
    try:
        os.makedirs(parent, exist_ok=True)
        _remove_abandoned(os.path.join(parent, prefix))
        scratch = tempfile.mkdtemp(prefix=prefix, dir=parent)
        os.chmod(scratch, 0o777 & ~_umask())
        lock = _lock(scratch)
        yield scratch
        _take_place(scratch, place)
    except OSError as error:
        raise AdlTfError(
            f"{folder} cannot be written: {error.strerror or error}; mend "
            "that, and start the same command again"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _lock(folder):
    """Open descriptor that keeps others from taking a folder as abandoned.

    `None` where there are no locks.
    """
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned(prefix):
    for folder in glob.glob(glob.escape(prefix) + "*"):
        with contextlib.suppress(OSError):
            lock = _lock(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _take_place(scratch, place):
    """Renames a folder, or exchanges it with an existing one."""
    try:
        os.rename(scratch, place)
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    if _exchange(scratch, place):
        return
    # Without an atomic exchange, neither folder is there for a moment.
    shutil.rmtree(place)
    os.rename(scratch, place)


def _exchange(first, second):
    """Whether the system exchanged two folders in one step."""
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    paths = os.fsencode(first), os.fsencode(second)
    return 0 == renameat2(
        _AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE
    )
