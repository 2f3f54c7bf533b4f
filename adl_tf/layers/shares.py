"""Arguments that are shares of something, such as of the steps."""

import numbers


def is_number(value):
    """Whether an argument is a real number; `True` is none.

    Args:
        value: What was given.
    """
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_share(name, value, upper=1.0, upper_name=None):
    """Refuses an argument that is no number from 0 to 1.

    Args:
        name: Name of the argument.
        value: What was given.
        upper: Float, where less than 1 is allowed.
        upper_name: What `upper` is, if it is not always the same.

    Raises:
        ValueError: If `value` is not possible.
    """
    # A little more than the exact rest: 0.9 + 0.1 must be accepted however
    # the two were rounded.
    if not is_number(value) or not 0.0 <= value <= upper + 1e-9:
        upper_name = f"{upper_name} = {upper:g}" if upper_name else f"{upper:g}"
        raise ValueError(
            f"`{name}` must be a number in [0, {upper_name}]. "
            f"Received: {name}={value!r}"
        )
