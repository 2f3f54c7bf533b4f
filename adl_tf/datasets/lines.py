"""Annotation files: fields on lines, and errors that name the line."""

from adl_tf.errors import DataError
from adl_tf.text_files import read_lines


def read_fields(path, count, separator=None, source=""):
    """Yields the fields of each line that is not empty.

    Args:
        path: Text file, as for `read_lines`.
        count: Number of fields that a line must have, or a tuple of the
            numbers that it may have.
        separator: Text between them, or `None` for white space.
        source: Where the file comes from, for the message if it is missing.

    Yields:
        Tuple of a function `bad(reason)` that makes the error for this line,
        and the list of fields.

    Raises:
        DataError: If the file is missing or a line has another number of
            fields.
    """
    lines = read_lines(path, source)
    counts = (count,) if isinstance(count, int) else count
    for number, line in enumerate(lines, start=1):
        if not line:
            continue

        def bad(reason, number=number, line=line):
            return DataError(f"{path}:{number}: {reason}: '{line}'")

        fields = [field.strip() for field in line.split(separator)]
        if len(fields) not in counts:
            expected = " or ".join(str(each) for each in counts)
            noun = "field" if counts == (1,) else "fields"
            comma = separator == "," and len(fields) > max(counts)
            raise bad(
                f"{expected} {noun} expected, not {len(fields)}"
                f"{' (no path may have a comma)' * comma}"
            )
        yield bad, fields


def numbers(fields, kind, bad):
    """Converts fields to finite numbers.

    Args:
        fields: List of text.
        kind: `int` or `float`.
        bad: Function from a reason to the error of this line.

    Returns:
        List of numbers.

    Raises:
        DataError: If one is not a finite number.
    """
    try:
        if any("_" in field for field in fields):  # Python reads 1_0 as 10.
            raise ValueError
        values = [kind(field) for field in fields]
    except ValueError:
        name = "a whole number" if kind is int else "a number"
        raise bad(f"{name} expected") from None
    if not all(abs(value) < 1e9 for value in values):
        raise bad("a number is not finite")
    return values
