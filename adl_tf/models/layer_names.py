"""Names that Keras gives to layers without one: conv2d, conv2d_1, ...

Their numbers depend on what the program built before; their order does not.
"""

import re


def in_order_of_making(names, kind):
    """The layers that Keras named after a class, oldest first.

    Args:
        names: Iterable of layer names.
        kind: Name without number, such as `"conv2d"`.

    Returns:
        List of those of `names` that are `kind` with or without a number.

    Example:

    >>> in_order_of_making(["conv2d_10", "conv2d_9", "stem"], "conv2d")
    ['conv2d_9', 'conv2d_10']
    """
    numbers = {}
    for name in names:
        match = re.fullmatch(rf"{kind}(?:_(\d+))?", name)
        if match:
            numbers[name] = int(match[1] or 0)
    return sorted(numbers, key=numbers.get)


def kinds_named_by_keras(layers):
    """The kinds of layers in a network whose names Keras chose.

    Args:
        layers: List of Keras layers.

    Returns:
        Sorted list of names without numbers, such as `"conv2d"`.
    """
    kinds = set()
    for layer in layers:
        kind = re.sub(r"_\d+$", "", layer.name)
        if kind.replace("_", "") == type(layer).__name__.lower():
            kinds.add(kind)
    return sorted(kinds)


def renumbered(names, kinds):
    """Names that do not depend on what the program built before.

    Args:
        names: Layer names of one network.
        kinds: Names without number, such as `"conv2d"`, to be renumbered
            from the first.

    Returns:
        Dictionary from each of `names` of such a kind to its new name.

    Example:

    >>> renumbered(["conv2d_8", "conv2d_9", "stem"], ["conv2d"])
    {'conv2d_8': 'conv2d', 'conv2d_9': 'conv2d_1'}
    """
    return {
        name: f"{kind}_{number}" if number else kind
        for kind in kinds
        for number, name in enumerate(in_order_of_making(names, kind))
    }
