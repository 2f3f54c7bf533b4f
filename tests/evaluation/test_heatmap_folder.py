"""Heatmaps that other programs wrote."""

import io
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from adl_tf.datasets.examples import Examples
from adl_tf.datasets.metadata import metadata
from adl_tf.errors import DataError
from adl_tf.evaluation.heatmap_folder import (
    evaluate_folder,
    find_heatmap,
    read_heatmap,
)
from adl_tf.evaluation.scoring import Scoring
from adl_tf.localization.protocols import PROTOCOLS

SIZE = 32
PROTOCOL = PROTOCOLS["wsoleval_cvpr20"]
NAMES = [f"test/{letter}/{number}.jpeg" for letter in "ab" for number in (0, 1)]
LABELS = [0, 1, 2, 6]
# x0, y0, x1, y1 in images of 64 x 64: twice those of the heatmaps.
BOX = (8, 10, 40, 50)


def heatmap(size=SIZE):
    """Right at every threshold."""
    scale = size / SIZE
    begin = [int(v * scale) for v in (4, 5)]
    end = [int(v * scale) for v in (20, 25)]
    drawn = np.zeros((size, size))
    drawn[begin[1] : end[1], begin[0] : end[0]] = 1.0
    return drawn


@pytest.fixture
def root(tmp_path):
    """A metadata folder with four images; their images are not there."""
    lines = {
        "image_ids": NAMES,
        "class_labels": [f"{n},{k}" for n, k in zip(NAMES, LABELS)],
        "image_sizes": [f"{n},64,64" for n in NAMES],
        "localization": [f"{n},8,10,40,50" for n in NAMES],
    }
    (tmp_path / "metadata").mkdir()
    for name, content in lines.items():
        text = "\n".join(content)
        (tmp_path / "metadata" / f"{name}.txt").write_text(text)
    return tmp_path


@pytest.fixture
def maps(root):
    """A folder of good heatmaps."""
    for name in NAMES:
        write(root / "maps", f"{name}.npy", heatmap())
    return root / "maps"


def write(folder, name, array):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


def scored(root, maps, allow_missing=False):
    examples = metadata(str(root), "test", with_images=False)
    scoring = Scoring(examples, PROTOCOL, SIZE, SIZE)
    problems = evaluate_folder(str(maps), scoring, allow_missing)
    return scoring.result()[0], problems


def test_all_right(root, maps):
    metrics, problems = scored(root, maps)
    assert problems == []
    assert metrics["num_images"] == 4
    assert metrics["max_box_acc"] == 100
    assert metrics["fixed_tau"]["gt_known_loc"] == 100
    assert metrics["top1_clas"] is None


def test_either_name(root, maps):
    for name in NAMES[::2]:
        (maps / f"{name}.npy").rename(maps / name.replace("jpeg", "npy"))
    assert scored(root, maps)[0]["max_box_acc"] == 100
    write(maps, "plain.npy", heatmap())
    assert find_heatmap(str(maps), "plain") == str(maps / "plain.npy")


def test_both_names(root, maps):
    other = write(maps, "test/a/1.npy", np.zeros((SIZE, SIZE)))
    with pytest.raises(DataError) as caught:
        scored(root, maps)
    both = f"{maps / NAMES[1]}.npy and {other} are both there"
    assert both in str(caught.value)
    metrics, (problem,) = scored(root, maps, allow_missing=True)
    assert both in problem
    assert metrics["max_box_acc"] == 75


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("size", [SIZE, 2 * SIZE, 8 * SIZE])
def test_kinds_and_sizes(root, maps, kind, size):
    for name in NAMES:
        write(maps, f"{name}.npy", heatmap(size).astype(kind))
    assert scored(root, maps)[0]["fixed_tau"]["gt_known_loc"] == 100


def test_maps_that_are_not_square(root, maps):
    wide = cv2.resize(heatmap(), (3 * SIZE, SIZE))
    for name in NAMES:
        write(maps, f"{name}.npy", np.asfortranarray(wide))
    assert scored(root, maps)[0]["fixed_tau"]["gt_known_loc"] == 100


def saved(array, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def with_value(value):
    changed = heatmap()
    changed[3, 4] = value
    return saved(changed)


def archive():
    file = io.BytesIO()
    np.savez(file, heatmap=heatmap())
    return file.getvalue()


BAD = {
    "truncated": (saved(heatmap())[:-9], "not a .npy file"),
    "no data": (saved(heatmap())[:128], "not a .npy file"),
    "empty": (b"", "not a .npy file"),
    "text": (b"0.1 0.2 0.3", "not a .npy file"),
    "header": (saved(heatmap()).replace(b"'shape': (", b"'shape': [("), ".npy"),
    "archive": (archive(), "not a .npy file"),
    "broken archive": (archive()[:100], "not a .npy file"),
    "pickled": (saved(np.array([{1: 2}], object), True), "not a .npy file"),
    "integers": (saved(np.uint8(heatmap() * 255)), "holds uint8"),
    "complex": (saved(heatmap() + 0j), "holds complex128"),
    "NaN": (with_value(np.nan), "holds NaN"),
    "infinite": (with_value(np.inf), "values from 0 to inf"),
    "negative": (with_value(-0.5), "values from -0.5 to 1"),
    "too large": (with_value(255.0), "values from 0 to 255"),
    "batch": (saved(heatmap()[None]), "shape (1, 32, 32)"),
    "flat": (saved(heatmap().ravel()), "shape (1024,)"),
    "no pixels": (saved(heatmap()[:0]), "shape (0, 32)"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_named_and_counted(root, maps, kind):
    content, words = BAD[kind]
    path = maps / f"{NAMES[2]}.npy"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        scored(root, maps)
    message = str(caught.value)
    assert message.startswith("1 of 4 heatmaps cannot be used: ")
    assert f"{path} " in message and words in message
    assert "--allow_missing" in message and "\n" not in message
    metrics, (problem,) = scored(root, maps, allow_missing=True)
    assert str(path) in problem
    # The test set stays as large as it was.
    assert metrics["num_images"] == 4
    for value in (
        metrics["fixed_tau"]["gt_known_loc"],
        metrics["max_box_acc"],
        metrics["max_box_acc_v2"],
    ):
        assert value == 75


def test_damaged_headers(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "0.npy"
    whole = saved(np.zeros((3, 4)))
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        for place in generator.integers(0, 128, generator.integers(1, 4)):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            assert read_heatmap(str(path)).ndim == 2
        except DataError:
            refused += 1
    assert refused > 300


def test_missing_files_are_counted(root, maps):
    for name in NAMES[:3]:
        (maps / f"{name}.npy").unlink()
    with pytest.raises(DataError, match="^3 of 4 heatmaps .* is missing"):
        scored(root, maps)
    metrics, problems = scored(root, maps, allow_missing=True)
    assert len(problems) == 3
    assert metrics["max_box_acc"] == 25
    with pytest.raises(DataError, match="no folder .*nowhere"):
        scored(root, root / "nowhere")
    (maps / f"{NAMES[3]}.npy").unlink()
    with pytest.raises(DataError, match="^none of the 4 heatmaps can be used"):
        scored(root, maps, allow_missing=True)


def test_many_missing_files_fit_on_a_line(root, maps):
    more = [f"test/c/{number}.jpeg" for number in range(20)]
    for file, text in (
        ("image_ids", "{}"),
        ("class_labels", "{},0"),
        ("image_sizes", "{},9,9"),
        ("localization", "{},1,1,5,5"),
    ):
        path = root / "metadata" / f"{file}.txt"
        lines = "\n".join(text.format(name) for name in more)
        path.write_text(f"{path.read_text()}\n{lines}")
    with pytest.raises(DataError, match="^20 of 24 .*; and 15 more") as caught:
        scored(root, maps)
    assert str(caught.value).count("is missing") == 5


def test_masks_of_missing_maps_count(root, maps):
    mask = np.uint8(cv2.resize(heatmap(), (64, 64), interpolation=0)) * 255
    path = root / "metadata" / "localization.txt"
    lines = path.read_text().splitlines()
    for name in NAMES:
        target = root / "masks" / f"{name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), mask)
        lines.append(f"{name},masks/{name}.png")
    path.write_text("\n".join(lines))
    assert scored(root, maps)[0]["pxap"] == pytest.approx(100)
    (maps / f"{NAMES[0]}.npy").unlink()
    metrics, _ = scored(root, maps, allow_missing=True)
    on, every = int((heatmap() > 0).sum()), SIZE * SIZE
    # Three quarters of the object first, the rest among all other pixels.
    expected = 75 + 25 * 4 * on / (4 * every)
    assert metrics["pxap"] == pytest.approx(expected)
    (root / "masks" / f"{NAMES[3]}.png").unlink()
    with pytest.raises(DataError, match="mask .*1.jpeg.png is missing"):
        scored(root, maps, allow_missing=True)


def test_one_heatmap_is_not_that_of_two_images(tmp_path):
    names = ["a/1.jpg", "a/1.png", "a/2.jpg"]
    examples = Examples(
        image_ids=names,
        paths=names,
        labels=np.zeros(3, np.int32),
        boxes=[np.array([[8, 10, 40, 50]])] * 3,
        class_names=["0"],
        sizes=np.full((3, 2), 64),
    )
    write(tmp_path, "a/1.npy", heatmap())
    write(tmp_path, "a/2.npy", heatmap())
    scoring = Scoring(examples, PROTOCOL, SIZE, SIZE)
    with pytest.raises(DataError, match="2 of 3 .*a/1.jpg.npy is missing"):
        evaluate_folder(str(tmp_path), scoring)
    write(tmp_path, "a/1.jpg.npy", heatmap())
    write(tmp_path, "a/1.png.npy", heatmap())
    assert not evaluate_folder(str(tmp_path), scoring)


WITHOUT_TENSORFLOW = """
import runpy, sys
for name in ("tensorflow", "keras", "torch", "jax"):
    sys.modules[name] = None
runpy.run_module("adl_tf.evaluate", run_name="__main__", alter_sys=True)
"""


def evaluate_without_tensorflow(*arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_command_without_tensorflow(root, maps):
    (maps / f"{NAMES[1]}.npy").unlink()
    answers = root / "answers.jsonl"
    answers.write_text(
        "\n".join(
            json.dumps({"image_id": n, "class_id": k})
            for n, k in zip(NAMES, [0, 1, 5, 6])
        )
    )
    arguments = (
        f"--heatmaps={maps}",
        f"--metadata={root}",
        f"--predictions={answers}",
        f"--output_dir={root}/scores",
        "--protocol=wsoleval_cvpr20",
        "--protocol_options=ground_truth=first",
        f"--input_size={SIZE}",
    )
    refused = evaluate_without_tensorflow(*arguments)
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert "1 of 4 heatmaps" in line and f"{NAMES[1]}.npy is missing" in line
    assert not os.path.exists(root / "scores")
    done = evaluate_without_tensorflow(*arguments, "--allow_missing")
    assert done.returncode == 0, done.stderr
    assert f"counted as wrong: {maps}/{NAMES[1]}.npy is missing" in done.stdout
    with open(root / "scores" / "metrics.json") as file:
        metrics = json.load(file)
    assert metrics["protocol"] == "wsoleval_cvpr20+ground_truth=first"
    assert metrics["rules"]["ground_truth"] == "first"
    assert (metrics["num_images"], metrics["num_missing"]) == (4, 1)
    assert metrics["top1_clas"] == 75
    assert metrics["fixed_tau"]["gt_known_loc"] == 75
    assert metrics["fixed_tau"]["top1_loc"] == 50
    with open(root / "scores" / "per_image.jsonl") as file:
        records = [json.loads(line) for line in file]
    assert [record["image_id"] for record in records] == NAMES
    # What was to be found is known where no heatmap is.
    assert all(record["ground_truth"] for record in records)
    assert [record["box"] is None for record in records] == [
        False,
        True,
        False,
        False,
    ]
