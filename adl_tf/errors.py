"""User errors, shown without a traceback."""


class AdlTfError(Exception):
    """A failure that one line explains: what is wrong, where, what to do.

    Commands print it and exit with `status`.
    """

    status = 1


class UsageError(AdlTfError):
    """The command line is wrong."""

    status = 2


class DataError(AdlTfError):
    """A file or folder is missing, or does not hold what it should."""


class Diverged(AdlTfError):
    """The loss became NaN or infinite."""

    status = 3
