"""The interface of a data set's module."""

import dataclasses
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class Reader:
    """How one data set is read.

    Attributes:
        read: Function from the folder of the data set and the name of a split
            to `Examples`.
        splits: Function from the folder to the names of its splits.
        needs_folder: Whether the user has to name a folder. Otherwise both
            functions take `None` for a folder of their own.
    """

    read: Callable
    splits: Callable
    needs_folder: bool = True
