"""What docs/serving.md tells clients to do, done as it stands there."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tensorflow as tf

from adl_tf.exported.tflite import writer
from adl_tf.exported.writing import export
from adl_tf.workdir.trained import class_names, load_trained

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "serving.md"


def commands(heading, language="sh"):
    """The blocks of a language under a heading, as one script."""
    section = PAGE.read_text().partition(f"\n## {heading}\n")[2]
    section = section.partition("\n## ")[0]
    blocks = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return "\n".join(blocks)


@pytest.fixture
def run(saved_model, tmp_path):
    """Runs a script where S is the model, with TensorFlow alone."""
    (tmp_path / "S").symlink_to(saved_model)
    image = np.full((40, 60, 3), 120, np.uint8)
    image[4:20, 8:40] = (30, 30, 230)
    assert cv2.imwrite(str(tmp_path / "bird.jpg"), image)
    stranger = tmp_path / "without" / "adl_tf.py"
    stranger.parent.mkdir()
    stranger.write_text("raise ImportError('clients have no code of ours')")
    path = os.pathsep.join([os.path.dirname(sys.executable), os.defpath])

    def run(script):
        return subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": path,
                "PYTHONPATH": str(stranger.parent),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    return run


@pytest.fixture
def expected(saved_model, run, tmp_path):
    """Function that asks a signature directly, about bird.jpg."""
    loaded = tf.saved_model.load(saved_model)
    encoded = tf.constant([(tmp_path / "bird.jpg").read_bytes()])

    def ask(signature, **inputs):
        answer = loaded.signatures[signature](image_bytes=encoded, **inputs)
        return {name: value.numpy() for name, value in answer.items()}

    return ask


@pytest.mark.slow
def test_saved_model_cli(run, expected, tmp_path):
    printed = run(commands("saved_model_cli"))
    assert "inputs['image_bytes'] tensor_info" in printed
    for folder, answer in (
        ("answers", expected("serving_default")),
        (
            "answers_at",
            expected(
                "localize_at",
                class_id=tf.constant([-1]),
                threshold=tf.constant([0.5]),
            ),
        ),
    ):
        assert answer["class_id"] == [1]
        for name, value in answer.items():
            found = np.load(tmp_path / folder / f"{name}.npy")
            np.testing.assert_allclose(found, value, atol=1e-5)


@pytest.mark.parametrize("signature", ["serving_default", "localize_at"])
def test_requests_to_tensorflow_serving(
    run, expected, saved_model, tmp_path, signature
):
    """Its server is not here: requests are read by the rules of its REST API.

    An instance has an entry for each input; strings that are bytes are
    `{"b64": text}`; `"predictions"` need a batch in front of every output.
    """
    script = commands("TensorFlow Serving")
    starts = [m.start() for m in re.finditer("^python3 -", script, re.M)]
    ends = [m.end() for m in re.finditer("^PYTHON$", script, re.M)]
    for begin, end in zip(starts, ends, strict=True):
        run(script[begin:end])
    names = re.findall(r"curl -d @(\S+\.json) (\S+)", script)
    requests = {}
    for name, address in names:
        assert address == "http://localhost:8501/v1/models/birds:predict"
        request = json.loads((tmp_path / name).read_text())
        requests[request.pop("signature_name", "serving_default")] = request
    request = requests[signature]
    assert set(request) == {"instances"}
    function = tf.saved_model.load(saved_model).signatures[signature]
    inputs = function.structured_input_signature[1]
    (instance,) = request["instances"]
    assert set(instance) == set(inputs)
    given = {}
    for name, specification in inputs.items():
        value = instance[name]
        if specification.dtype == tf.string:
            assert set(value) == {"b64"}
            value = base64.b64decode(value["b64"], validate=True)
        given[name] = tf.constant([value], specification.dtype)
    encoded = given.pop("image_bytes")
    assert encoded.numpy() == [(tmp_path / "bird.jpg").read_bytes()]
    answer = expected(signature, **given)
    assert answer["class_id"] == [1]
    assert all(len(value) == 1 for value in answer.values())
    for output in function.structured_outputs.values():
        assert output.shape[0] is None


def test_tensorflow_lite(run, expected, trained, tmp_path):
    lite, names = str(tmp_path / "L"), class_names(trained)
    export(load_trained(trained), lite, names, trained, 0.3, writer())
    script = commands("TensorFlow Lite", "python")
    printed = run(
        f"python3 - <<'PYTHON'\n{script}\nimport json\n"
        "print(json.dumps([answer['class_id'].tolist(), box.tolist()]))\n"
        "PYTHON"
    )
    class_id, box = json.loads(printed.splitlines()[-1])
    answer = expected("serving_default")
    assert class_id == answer["class_id"].tolist() == [1]
    # A pixel of the network's input, which is 32 pixels, for 60 of the file:
    # OpenCV and TensorFlow round otherwise where they warp.
    np.testing.assert_allclose(box, answer["box"][0], atol=2)
