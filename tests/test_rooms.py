"""Which room may import which, as WORKSPACE.md's table says."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]

# From the ground up: a room may import what is named here, and itself.
# `commands` are the modules of `adl_tf/` that are run, and every `__main__`.
GROUND = {
    "drawing",
    "errors",
    "files",
    "folders",
    "locks",
    "native_messages",
    "registry",
    "text_files",
}
SETTINGS = {"settings", "flag_text", "flags"}
ALLOWED = {
    "ground": set(),
    "layers": {"ground"},
    "localization": {"ground"},
    "datasets": {"ground"},
    "models": {"ground", "layers"},
    "heatmaps": {"ground", "layers", "models"},
    "methods": {"ground", "layers", "models", "heatmaps"},
    "settings": {"ground", "datasets"},
    "workdir": {"ground", "settings", "localization", "methods"},
    "exported": {
        "ground",
        "settings",
        "localization",
        "datasets",
        "heatmaps",
        "methods",
        "workdir",
    },
    "evaluation": {
        "ground",
        "settings",
        "localization",
        "datasets",
        "models",
        "heatmaps",
        "methods",
        "workdir",
        "exported",
    },
    "training": {
        "ground",
        "settings",
        "localization",
        "datasets",
        "models",
        "heatmaps",
        "methods",
        "workdir",
    },
    "reporting": {
        "ground",
        "localization",
        "datasets",
        "workdir",
        "exported",
    },
}
ROOMS = ALLOWED.keys() - {"ground", "settings"}


def room_of(module):
    """Room of a module such as `adl_tf.models.surgery`."""
    parts = module.split(".")[1:]
    if not parts or parts[-1] == "__main__":
        return "commands" if parts else "ground"
    if parts[0] in GROUND:
        return "ground"
    if parts[0] in SETTINGS:
        return "settings"
    return parts[0] if parts[0] in ROOMS else "commands"


def modules():
    for path in sorted((ROOT / "adl_tf").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imports(name, tree):
    """Modules of ours that a module imports, anywhere in it."""
    known = {module for module, _ in MODULES}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


MODULES = list(modules())
ARROWS = {
    (name, target)
    for name, tree in MODULES
    for target in imports(name, tree)
    if target.split(".")[0] == "adl_tf"
}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_what_is_below_it(room):
    wrong = [
        f"{name} imports {target}"
        for name, target in sorted(ARROWS)
        if room_of(name) == room
        and room_of(target) not in {room, *ALLOWED[room]}
    ]
    assert not wrong


def test_no_circle_of_rooms():
    """The table can be read from the top: what is imported stands above."""
    above = set()
    for room, allowed in ALLOWED.items():
        assert allowed <= above
        above.add(room)


def test_no_circle_of_modules():
    below = {name: set() for name, _ in MODULES}
    for name, target in ARROWS:
        if target in below and target != name:
            below[name].add(target)
    while below:
        free = {name for name, targets in below.items() if not targets}
        assert free, f"modules that import each other: {sorted(below)}"
        below = {
            name: targets - free
            for name, targets in below.items()
            if name not in free
        }


def test_no_file_is_long():
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("adl_tf", "experiments", "benchmarks", "data", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long
