"""A list of arrays on disk, for data too large to keep in memory."""

import tempfile
import threading

import numpy as np


class ArrayFile:
    """A list of arrays in a temporary file, deleted when the process ends.

    Arrays may be set once each, in any order and by several threads.

    Args:
        count: Length of the list. All entries are empty at first.
        columns: Number of columns of each array; rows may differ.
        dtype: Type of the numbers.
    """

    def __init__(self, count, columns, dtype):
        self.columns = columns
        self.dtype = np.dtype(dtype)
        self._begins = np.zeros(count, np.int64)
        self._rows = np.full(count, -1, np.int32)
        self._lock = threading.Lock()
        self._file = tempfile.TemporaryFile()

    def __len__(self):
        return len(self._rows)

    def __setitem__(self, place, array):
        encoded = np.asarray(array).astype(self.dtype).tobytes()
        with self._lock:
            self._begins[place] = self._file.seek(0, 2)
            self._rows[place] = len(array)
            self._file.write(encoded)

    def __getitem__(self, place):
        """The array at an index, or `None` where none was set."""
        rows = self._rows[place]
        if rows < 0:
            return None
        size = int(rows) * self.columns * self.dtype.itemsize
        with self._lock:
            self._file.seek(self._begins[place])
            encoded = self._file.read(size)
        return np.frombuffer(encoded, self.dtype).reshape(-1, self.columns)

    @property
    def is_empty(self):
        """Whether no array has been set."""
        return not (self._rows >= 0).any()

    @property
    def rows(self):
        """int array of the number of rows of each, 0 where none was set."""
        return np.maximum(self._rows, 0).astype(int)
