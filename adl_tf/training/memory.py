"""Allocator settings of glibc, for large blocks that steps free and take."""

import ctypes
import sys

# From malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8


def keep_freed_memory():
    """Keeps the memory of one step for the next.

    glibc gives large blocks back to the system as soon as they are free, and
    a training step asks for the same blocks again, page by page: a third of
    the processor time of MobileNetV1. Drawing images does the same. Call it
    before TensorFlow starts its threads. Without glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, 1 << 30)
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    mallopt(_ARENA_MAX, 1)
