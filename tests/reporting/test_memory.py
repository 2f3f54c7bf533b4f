"""Images from 1x1 to 20,000x20,000 pixels, within 2 GiB of memory."""

import json
import os
import pathlib
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
SIDE = 20_000
LIMIT = 2 * 1024**2  # in KiB, as the kernel counts
# The most memory that a process ever had. `getrusage` would count the process
# that started it, too.
PEAK = """
with open("/proc/self/status") as file:
    print(next(l.split()[1] for l in file if l.startswith("VmHWM")))
"""
SAVED_MODEL = """
import json, sys
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
encoded = [open(path, "rb").read() for path in sys.argv[2:]]
answer = loaded.signatures["serving_default"](image_bytes=tf.constant(encoded))
print(json.dumps([answer[k].numpy().tolist() for k in ("class_id", "box")]))
"""
PREDICT = """
import runpy

try:
    runpy.run_module("adl_tf.predict", run_name="__main__")
except SystemExit as end:
    assert end.code == 1  # One image cannot be read.
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.path.exists("/proc/self/status"), reason="asks Linux"
    ),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Paths of the largest and the smallest one."""
    folder = tmp_path_factory.mktemp("images")
    large, small = folder / "large.png", folder / "small.jpg"
    _write_large(large)
    assert cv2.imwrite(str(small), np.full((1, 1, 3), 90, np.uint8))
    return [str(large), str(small)]


def _write_large(path):
    """A whole PNG, one bit a pixel, row by row."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    packer = zlib.compressobj(1)
    row = b"\0" + b"\x0f" * (SIDE // 8)
    data = b"".join(packer.compress(row) for _ in range(SIDE))
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", data + packer.flush())
        + chunk(b"IEND", b"")
    )


def _run(program, *arguments):
    """What a process printed, and its peak of memory."""
    printed = subprocess.run(
        [sys.executable, "-c", program + PEAK, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    *lines, peak = printed.splitlines()
    return lines, int(peak)


def test_saved_model(saved_model, images):
    lines, peak = _run(SAVED_MODEL, saved_model, *images)
    (large, small), (nothing, box) = json.loads(lines[-1])
    assert large == -1
    assert nothing == [0, 0, 0, 0]
    assert small in (0, 1)
    assert 0 <= min(box) <= max(box) <= 1
    assert peak < LIMIT


def test_predict(saved_model, images, tmp_path):
    lines, peak = _run(
        PREDICT,
        f"--saved_model={saved_model}",
        f"--images={','.join(images)}",
        f"--output_dir={tmp_path}",
        "--masks",
    )
    assert lines[0] == "could not be read:"
    assert "more than 100,000,000 pixels" in lines[1]
    large, small = map(
        json.loads, (tmp_path / "predictions.jsonl").read_text().splitlines()
    )
    assert set(large) == {"image", "error"}
    assert small["class_id"] in (0, 1)
    mask = cv2.imread(str(tmp_path / small["mask"]), cv2.IMREAD_UNCHANGED)
    assert mask.shape == (1, 1)
    assert peak < LIMIT
