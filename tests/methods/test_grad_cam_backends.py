"""The tests of `grad_cam` on the other Keras backends."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_grad_cam_on_backend(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # Keras chooses its backend once a process.
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            str(REPOSITORY / "tests/methods/test_grad_cam.py"),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        check=False,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert re.search(r"\b[1-9]\d+ passed", finished.stdout)
