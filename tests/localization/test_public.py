"""What `import adl_tf.localization` gives, and what it does not load."""

import pkgutil
import subprocess
import sys

import pytest

import adl_tf.localization


@pytest.mark.parametrize("name", adl_tf.localization.__all__)
def test_public_names(name):
    thing = getattr(adl_tf.localization, name)
    assert thing.__name__ == name
    assert "Args:" in thing.__doc__
    assert name in dir(adl_tf.localization)


def test_promised_names():
    assert set(adl_tf.localization.__all__) == {
        "box_iou",
        "boxes_at_thresholds",
        "max_box_acc",
        "pixel_average_precision",
    }


def test_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'box_io'"):
        _ = adl_tf.localization.box_io


def test_loads_what_is_needed_when_it_is():
    found = pkgutil.iter_modules(adl_tf.localization.__path__)
    imports = ", ".join(f"adl_tf.localization.{m.name}" for m in found)
    assert "adl_tf.localization.protocols" in imports
    code = (
        "import sys, adl_tf.localization\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'jax', 'numba', 'numpy'}\n"
        "loaded = lambda: {m.partition('.')[0] for m in sys.modules} & heavy\n"
        "print(sorted(loaded()))\n"
        f"import {imports}\n"
        "print(sorted(loaded()))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == ["[]", "['numba', 'numpy']"]
