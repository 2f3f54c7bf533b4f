"""The tests of layers and methods on the other Keras backends."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

from adl_tf.registry import METHODS

REPOSITORY = pathlib.Path(__file__).parents[1]
FILES = [
    "tests/layers/test_adl.py",
    "tests/layers/test_adl_arguments.py",
    "tests/layers/test_adl_draws.py",
    "tests/layers/test_hide_and_seek.py",
    "tests/layers/test_squeeze_excite.py",
    "tests/heatmaps/test_grad_cam.py",
    "tests/heatmaps/test_faithfulness.py",
    "tests/heatmaps/test_graphs.py",
    "tests/heatmaps/test_methods.py",
    "tests/heatmaps/test_transformers.py",
    # CAM and ADL have no arithmetic of their own but that of the layers.
    *(
        f"tests/methods/test_{name}.py"
        for name in METHODS
        if name not in ("cam", "adl")
    ),
]
# JAX compiles every operation; most of that time goes into making it quick.
QUICK_TO_COMPILE = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # Keras chooses its backend once a process.
    finished = subprocess.run(
        [
            sys.executable,
            *("-m", "pytest", "--verbose", "-p", "no:cacheprovider"),
            *("-m", "not slow"),
            *FILES,
        ],
        cwd=REPOSITORY,
        env={**os.environ, **QUICK_TO_COMPILE, "KERAS_BACKEND": backend},
        capture_output=True,
        check=False,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    for file in FILES:
        passed = rf"^{re.escape(file)}::.* PASSED"
        assert re.search(passed, finished.stdout, re.MULTILINE), file
