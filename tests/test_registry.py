"""The names: what is behind each, and that listing them loads nothing."""

import subprocess
import sys

import pytest

from adl_tf import registry
from adl_tf.datasets.reader import Reader
from adl_tf.localization.protocols import Protocol

HEAVY = {"tensorflow", "keras", "torch", "jax", "numba", "cv2", "numpy"}
REGISTRIES = {
    each.kind: each
    for each in vars(registry).values()
    if isinstance(each, registry.Registry)
}


def test_names_and_settings_load_nothing_heavy():
    code = (
        "import sys, adl_tf.registry, adl_tf.settings\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(finished.stdout.split())
    assert "adl_tf" in loaded and not HEAVY & loaded


@pytest.mark.parametrize(
    ("kind", "is_right"),
    [
        ("dataset", lambda name, found: isinstance(found, Reader)),
        ("backbone", lambda name, found: found.__name__ == name),
        ("method", lambda name, found: found.__name__ == name),
        ("heatmap", lambda name, found: callable(found)),
        (
            "protocol",
            lambda name, found: (
                isinstance(found, Protocol) and found.name == name
            ),
        ),
    ],
)
def test_every_name_resolves(kind, is_right):
    names = REGISTRIES[kind]
    assert len(names) >= 2
    for name in names:
        assert is_right(name, names[name]), name


def test_every_registry_is_tested():
    assert set(REGISTRIES) == {
        *("dataset", "backbone", "method", "heatmap", "protocol")
    }


def test_names_with_a_prefix():
    networks = registry.BACKBONES
    assert "keras:Anything" in networks and "keras:Anything" not in [*networks]
    assert networks.choices()[-1] == "keras:NAME"
    assert networks["keras:MobileNet"].args == ("MobileNet",)
    assert "tfds:voc/2007" in registry.DATASETS
    assert "keras:x" not in registry.METHODS


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="vgg_gap, .*, keras:NAME.*'vgg'"):
        registry.BACKBONES.find("vgg")
    with pytest.raises(ValueError, match="`method` must be one of cam, has"):
        registry.METHODS.find("keras:x")
