"""Checks of arguments that are shares in [0, 1]."""

import numbers


def is_number(value):
    """Whether an argument is a real number. Booleans are not.

    Args:
        value: The value.
    """
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_share(name, value, upper=1.0, upper_name=None):
    """Raises an error unless an argument is a number from 0 to 1.

    Args:
        name: Name of the argument.
        value: The value.
        upper: Float, the largest value allowed.
        upper_name: Text for `upper` in the message, if it is not a constant.

    Raises:
        ValueError: If `value` is out of range or not a number.
    """
    # A little tolerance: 0.9 + 0.1 must be accepted however the two were
    # rounded.
    if not is_number(value) or not 0.0 <= value <= upper + 1e-9:
        upper_name = f"{upper_name} = {upper:g}" if upper_name else f"{upper:g}"
        raise ValueError(
            f"`{name}` must be a number in [0, {upper_name}]. "
            f"Received: {name}={value!r}"
        )
