"""Two runs whose heatmaps are drawn, so that nothing has to be trained."""

import json
import pathlib
import types

import cv2
import numpy as np
import pytest

from adl_tf import evaluate
from adl_tf.workdir.reading import read_runs
from tests.in_process import call

HOSTILE = "<img src=x onerror=alert(1)>.jpg"
CLASSES = ["</script><script>alert(2)</script>", "wren & {{ 7 * 7 }}"]
PROTOCOLS = ("adl_cvpr19", "wsoleval_cvpr20")
COUNT = 12
SIZE = 32
HISTORY = """epoch,step,loss,accuracy,learning_rate,images_per_second,seconds
1,10,2.0,20.0,0.1,100.0,1.0
2,20,1.0,60.0,0.05,100.0,2.0
"""


@pytest.fixture(scope="session")
def scored(tmp_path_factory):
    """Two work directories, evaluated under both protocols.

    Namespace with their `folders`, the `runs` that are read from them and the
    `names` of the images. The first run boxes heads, the second more.
    """
    root = tmp_path_factory.mktemp("scored")
    random = np.random.default_rng(3)
    names = [HOSTILE, *(f"a/{number}.jpg" for number in range(1, COUNT))]
    corners = random.integers(8, 40, (COUNT, 2))
    _write_data(root / "data", names, corners, random)
    folders = []
    for name, reach in (("heads", 0.25), ("<b>wholes", 0.45)):
        folder = root / name
        maps = root / f"maps of {reach}"
        for image_id, (x, y) in zip(names, corners):
            path = maps / f"{image_id}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, _heatmap(x / 2, y / 2, reach, random))
        _write_answers(root / "answers.jsonl", names, random)
        for protocol in PROTOCOLS:
            call(
                evaluate,
                f"--heatmaps={maps}",
                f"--metadata={root}/data",
                f"--predictions={root}/answers.jsonl",
                f"--protocol={protocol}",
                f"--input_size={SIZE}",
                "--resize_size=36",
                f"--output_dir={folder}",
                from_workdir=True,
            )
        (folder / "history.csv").write_text(HISTORY)
        (folder / "flags.cfg").write_text(
            "--dataset=metadata\n--backbone=small_cnn\n"
            f"--method={'adl' if name != 'heads' else 'cam'}\n"
        )
        folders.append(str(folder))
    return types.SimpleNamespace(
        folders=folders, runs=read_runs(folders), names=names
    )


def _write_data(root, names, corners, random):
    """Images of 64x64 with a box of 24x24 each."""
    for name, (x, y) in zip(names, corners):
        image = random.integers(90, 130, (64, 64, 3), np.uint8)
        image[y : y + 24, x : x + 24] = (200, 60, 20)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image)
    metadata = root / "metadata" / "test"
    metadata.mkdir(parents=True)
    for file, lines in {
        "image_ids": names,
        "class_labels": [f"{name},{i % 2}" for i, name in enumerate(names)],
        "image_sizes": [f"{name},64,64" for name in names],
        "localization": [
            f"{name},{x},{y},{x + 23},{y + 23}"
            for name, (x, y) in zip(names, corners)
        ],
        "class_names": CLASSES,
    }.items():
        text = "\n".join(lines) + "\n"
        (metadata / f"{file}.txt").write_text(text)


def _heatmap(x, y, reach, random):
    """Bright in an object, falling off within about `reach` of its side."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    x, y = (x, y) + random.uniform(4, 8, 2)
    distance = np.hypot(columns - x, rows - y)
    distance /= 12 * reach * random.uniform(0.7, 1.3)
    heatmap = np.exp(-(distance**2)) + 0.05 * random.random((SIZE, SIZE))
    heatmap -= heatmap.min()
    return (heatmap / heatmap.max()).astype(np.float32)


def _write_answers(path: pathlib.Path, names, random):
    """A third of the class answers is wrong."""
    answers = [
        {
            "image_id": name,
            "class_id": int((place + (place % 3 == 0)) % 2),
            "probability": float(random.uniform(0.5, 1)),
        }
        for place, name in enumerate(names)
    ]
    path.write_text("".join(json.dumps(each) + "\n" for each in answers))
