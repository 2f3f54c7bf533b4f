"""Values of settings from the text of a flag, and the text of values."""


def layer_names(text):
    """The layers that a flag names.

    Args:
        text: Names separated by commas, or one regular expression.

    Returns:
        Tuple of names, or the regular expression.
    """
    if "," not in text:
        return text
    return tuple(name.strip() for name in text.split(","))


def patch_sizes(text):
    """The sides of the patches of Hide-and-Seek.

    Args:
        text: `"mixed"`, or whole numbers separated by commas.

    Returns:
        `"mixed"`, an integer, or a tuple of several.
    """
    if text == "mixed":
        return text
    sizes = _numbers(text, int)
    return sizes[0] if len(sizes) == 1 else sizes


def threshold_pairs(text):
    """The thresholds of SPG.

    Args:
        text: Numbers separated by commas.

    Returns:
        Tuple of pairs of floats.
    """
    numbers = _numbers(text, float)
    return tuple(numbers[i : i + 2] for i in range(0, len(numbers), 2))


def named_values(text):
    """Numbers and words with names.

    Args:
        text: Such as `"map_stride=8,dropout_rate=0.5,variant=pytorch"`.

    Returns:
        Dictionary from names to numbers, or words.
    """
    named = {}
    for option in filter(None, text.split(",")):
        name, equals, value = (part.strip() for part in option.partition("="))
        if not (name and equals and value):
            raise ValueError(f"'{option}' is not of the form name=value")
        if value.isidentifier():
            named[name] = value
            continue
        try:
            named[name] = float(value) if "." in value else int(value)
        except ValueError as error:
            raise ValueError(
                f"{name}={value} is neither a number nor a word"
            ) from error
    return named


def _numbers(text, kind):
    try:
        return tuple(kind(number) for number in text.split(","))
    except ValueError as error:
        whole = "whole " * (kind is int)
        raise ValueError(
            f"it must be {whole}numbers separated by commas"
        ) from error


def as_text(value):
    """The text from which a flag gets a value.

    Args:
        value: Value of a setting that is not `None`.

    Returns:
        Text.
    """
    if isinstance(value, dict):
        return ",".join(f"{name}={number}" for name, number in value.items())
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return str(value)
