"""Atomic file writes."""

import contextlib
import os

from adl_tf.errors import AdlTfError, UsageError

PARTIAL = ".partial"


@contextlib.contextmanager
def written_whole(path):
    """Writes a file whole, or leaves what was there.

    Args:
        path: The file.

    Yields:
        Path of another file beside it, which takes its place at the end.

    Raises:
        AdlTfError: If it cannot be written.
    """
    partial = f"{path}.{os.getpid()}{PARTIAL}"
    remove_leftovers(os.path.dirname(path) or os.curdir)
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


def remove_leftovers(folder):
    """Removes half-written files of processes that are gone.

    Args:
        folder: Where `written_whole` wrote.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            *_, process, ending = ("", *name.rsplit(".", 2))
            if f".{ending}" == PARTIAL and not _is_running(process):
                os.remove(os.path.join(folder, name))


def _is_running(process):
    """Whether a process, by its number as text, may still be writing."""
    if not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def write_whole(path, text):
    """Writes a text file whole, or leaves what was there.

    Args:
        path: The file.
        text: Its content, or an iterable of parts of it. Line ends are
            written unchanged.

    Raises:
        AdlTfError: If it cannot be written.
    """
    parts = [text] if isinstance(text, str) else text
    with (
        written_whole(path) as partial,
        open(partial, "w", encoding="utf-8", newline="") as file,
    ):
        file.writelines(parts)


def check_replaceable(output_dir, names, marker):
    """Refuses a folder that holds anything but what is to be replaced.

    Args:
        output_dir: Value of the flag of that name.
        names: Set of the names that a command writes into it.
        marker: Path in it of a file that is there if the command wrote it.

    Returns:
        Whether there is something to be replaced.

    Raises:
        UsageError: If the folder is in use otherwise, or is none.
    """
    if not os.path.lexists(output_dir):
        return False
    if not os.path.isdir(output_dir):
        raise UsageError(f"--output_dir={output_dir} is not a folder")
    held = sorted(os.listdir(output_dir))
    is_earlier = os.path.isfile(os.path.join(output_dir, marker))
    foreign = sorted(set(held) - names) or ([] if is_earlier else held)
    if foreign:
        raise UsageError(
            f"--output_dir={output_dir} is not empty, and {foreign[0]} there "
            "is not what an earlier call left: take another one"
        )
    return is_earlier
