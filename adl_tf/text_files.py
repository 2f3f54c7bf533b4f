"""Text files: bounded reads, lines, class names, and JSON."""

import json
import math
import os
import re

from adl_tf.errors import DataError

# Annotations of COCO's training images are half a gigabyte.
MAX_BYTES = 4 << 30


def read_text(path, source="", limit=MAX_BYTES):
    """Reads a text file.

    Args:
        path: Regular file, UTF-8 with or without a byte order mark.
        source: Where the file comes from, for the message if it is missing.
        limit: Largest number of bytes that is read.

    Returns:
        Text. All line ends are "\\n".

    Raises:
        DataError: If the file is missing, cannot be read, is too large or is
            not text.
    """
    try:
        text = read_regular(path, source, limit).decode("utf-8-sig")
        if "\0" in text:  # as in UTF-16
            raise ValueError
    except ValueError:
        raise DataError(f"{path} is not a text file in UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_regular(path, source="", limit=MAX_BYTES):
    """Reads a file, and neither a device nor a pipe, which may never end.

    Args:
        path: The file.
        source: Where the file comes from, for the message if it is missing.
        limit: Largest number of bytes that is read.

    Returns:
        Bytes.

    Raises:
        DataError: If the file is missing, cannot be read or is too large.
    """
    try:
        if not os.path.exists(path):
            more = f"; {source}" if source else ""
            raise DataError(f"no file {path}{more}")
        if not os.path.isfile(path):
            raise DataError(f"{path} is not a regular file")
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise DataError(f"{path} has more than {limit:,} bytes")
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: of a name
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read: {reason}") from None


def read_lines(path, source=""):
    """All lines of a text file, without white space around them.

    Only line feeds, carriage returns and both end a line, as in editors;
    `str.splitlines` knows more line ends.

    Args:
        path: Text file, as for `read_text`.
        source: As for `read_text`.

    Returns:
        List of text.

    Raises:
        DataError: As `read_text`.
    """
    return [line.strip() for line in read_text(path, source).split("\n")]


def read_names(path, count=None, source=""):
    """Reads a file of class names: one a line, in the order of the classes.

    Args:
        path: Text file, as for `read_text`. Empty lines are allowed at its
            end.
        count: Number of names that it must have, such as the number of outputs
            of a network, or `None` for any.
        source: As for `read_text`.

    Returns:
        List of text.

    Raises:
        DataError: If a name is empty, or there is another number of names; or
            as `read_text`.
    """
    names = read_lines(path, source)
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise DataError(
            f"{path}:{names.index('') + 1}: an empty line where the name of "
            f"class {names.index('')} should be"
        )
    if count is not None and len(names) != count:
        raise DataError(
            f"{path} has {len(names):,} names for {count:,} classes"
        )
    return names


def names_text(names):
    """The content of a file of class names, which `read_names` reads.

    Args:
        names: List of text.

    Returns:
        Text.

    Raises:
        DataError: If a name is empty or not one line.
    """
    for number, name in enumerate(names):
        if not name.strip() or re.search(r"[\r\n\0]", name.strip()):
            raise DataError(
                f"the name of class {number}, {name!r}, is not a line of text"
            )
    return "".join(f"{name.strip()}\n" for name in names)


def read_json(path, source=""):
    """Reads a JSON file of one object, strictly.

    What other parsers refuse or read otherwise is refused: keys that are
    doubled in an object, NaN and infinite numbers.

    Args:
        path: Text file, as for `read_text`.
        source: As for `read_text`.

    Returns:
        Dictionary.

    Raises:
        DataError: If the file is not of that form; or as `read_text`.
    """
    return parse_json(read_text(path, source), path)


def parse_json(text, path):
    """As `read_json`, of text that was read from a file.

    Args:
        text: Text.
        path: The file, for the message.

    Returns:
        Dictionary.

    Raises:
        DataError: If the text is not of that form.
    """

    def once(pairs):
        fields = dict(pairs)
        if len(fields) < len(pairs):
            keys = [key for key, _ in pairs]
            doubled = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"the key '{doubled}' is given twice")
        return fields

    try:
        content = json.loads(text, object_pairs_hook=once)
        place = _not_finite(content)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: {error.msg}") from None
    except RecursionError:
        raise DataError(f"{path}: brackets in too many brackets") from None
    except ValueError as error:  # of `once`, or of a huge number
        raise DataError(f"{path}: {error}") from None
    if place is not None:
        raise DataError(f"{path}{place or ':'} is not a finite number")
    if not isinstance(content, dict):
        raise DataError(f"{path}: an object in braces expected")
    return content


def is_number(value):
    """Whether a value of JSON is a finite number, and not true or false."""
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def is_whole_number(value):
    """Whether a value of JSON is a whole number, and not true or false."""
    return isinstance(value, int) and not isinstance(value, bool)


def _not_finite(value):
    """Where NaN or an infinite number is in parsed JSON, or `None`."""
    if isinstance(value, float):
        return None if math.isfinite(value) else ""
    if isinstance(value, dict):
        inner = ((f": {key}", each) for key, each in value.items())
    elif isinstance(value, list):
        inner = ((f"[{n}]", each) for n, each in enumerate(value))
    else:
        return None
    for name, each in inner:
        place = _not_finite(each)
        if place is not None:
            return name + place
    return None
