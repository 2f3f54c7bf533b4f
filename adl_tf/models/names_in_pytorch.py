"""Names of layers in PyTorch's weight files.

Those of torchvision, of timm for SE, and of the trainings of wsolevaluation
and SPG: these put layers without weights in between, which shifts the numbers
of all that follow, and move some layers to modules of their own.
"""

import re

# Entries of those files that do not belong to the inference network.
_BRANCHES = r"(SPG_B_\w+|SPG_C|side\w+|branchB)\..*"
_IGNORED = {
    "vgg": rf"classifier\..*|{_BRANCHES}",
    "inception": rf"(AuxLogits|Mixed_7[abc]|fc)\..*|{_BRANCHES}",
    "resnet": _BRANCHES,
}
# Modules of the trainings, by what they are in the plain networks.
_MOVED = {
    "vgg": {
        "SPG_A_1": "features.100",
        "SPG_A_2": "features.200",
        "SPG_A_3.0": "SPG_A3_1b",
        "SPG_A_3.2": "SPG_A3_2b",
        "SPG_A_4": "class_maps",
    },
    "inception": {
        "SPG_A3_1b.0": "SPG_A3_1b",
        "SPG_A3_2b.0": "SPG_A3_2b",
        "SPG_A4": "class_maps",
        "fc6.0": "SPG_A3_1b",
        "fc7_1.0": "SPG_A3_2b",
        "classier_1": "class_maps",
    },
    "resnet": {"SPG_A1": "layer3.0", "SPG_A2": "layer3.1", "SPG_A4": "fc"},
}


def family(model):
    """The family of networks that a model belongs to.

    Args:
        model: Keras model of a backbone.

    Returns:
        `"vgg"`, `"inception"` or `"resnet"`.
    """
    names = {layer.name for layer in model.layers}
    if "block1_conv1" in names:
        return "vgg"
    return "inception" if "Conv2d_1a" in names else "resnet"


def ignored(network):
    """Regular expression of the names that are not loaded.

    Args:
        network: As returned by `family`.
    """
    # A counter that inference does not use.
    return rf".*\.num_batches_tracked|{_IGNORED[network]}"


def plain_names(names, network):
    """The names that a file's entries have in the plain network.

    Args:
        names: Names of a `state_dict`.
        network: As returned by `family`.

    Returns:
        Dictionary from each name to the plain one: without `module.`, modules
        where torchvision has them, and numbers without gaps.
    """
    moved = {name: _moved(name, _MOVED[network]) for name in names}
    pattern = (
        r"(features)\.([\d.]+)\."
        if network == "vgg"
        else (r"(layer\d)\.([\d.]+)\.")
    )
    numbers = {}
    for name in moved.values():
        if match := re.match(pattern, name):
            numbers.setdefault(match[1], set()).add(_number(match[2]))
    ranks = {
        stage: {number: rank for rank, number in enumerate(sorted(found))}
        for stage, found in numbers.items()
    }
    return {
        old: re.sub(
            rf"^{pattern}",
            lambda m: f"{m[1]}.{ranks[m[1]][_number(m[2])]}.",
            new,
        )
        for old, new in moved.items()
    }


def _number(text):
    return tuple(map(int, text.split(".")))


def _moved(name, modules):
    name = str(name).removeprefix("module.")
    for old, new in modules.items():
        if name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    return name


def name_of(layer, network):
    """The plain name of a layer, without that of its weight.

    Args:
        layer: Name of a layer of ours.
        network: As returned by `family`.

    Returns:
        The name, or `None` where there is none.
    """
    return _NAMES[network](layer)


def _in_vgg(layer):
    if match := re.fullmatch(r"block(\d)_conv(\d)", layer):
        block, number = map(int, match.groups())
        return f"features.{(0, 2, 4, 7, 10)[block - 1] + number - 1}"
    return {"logits": "fc"}.get(layer, layer)


def _in_inception(layer):
    if layer.startswith(("SPG_", "class_maps")):
        return layer
    name, kind = layer, "conv"
    if layer.endswith("_bn"):
        name, kind = layer.removesuffix("_bn"), "bn"
    if name.startswith("Conv2d"):
        name += "_1x1" if name == "Conv2d_3b" else "_3x3"
    name = re.sub(r"^(Mixed_\d\w)_", r"\1.", name)
    return f"{name}.{kind}"


def _in_resnet(layer):
    if layer in ("conv1_conv", "conv1_bn"):
        return "conv1" if layer == "conv1_conv" else "bn1"
    if layer == "logits":
        return "fc"
    match = re.fullmatch(r"conv(\d)_block(\d)_(?:(\d)_)?(conv|bn|se)", layer)
    if match is None:
        return None
    stage, block, number, kind = match.groups()
    scope = f"layer{int(stage) - 1}.{int(block) - 1}"
    if kind == "se":
        return scope
    if number == "0":
        return f"{scope}.downsample.{0 if kind == 'conv' else 1}"
    return f"{scope}.{kind}{number}"


_NAMES = {"vgg": _in_vgg, "inception": _in_inception, "resnet": _in_resnet}
