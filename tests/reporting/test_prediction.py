"""`adl_tf.predict`: which images, what is written, what is said."""

import errno
import io
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from adl_tf.datasets.decoding import MAX_PIXELS
from adl_tf.datasets.image_formats import NOT_AN_IMAGE
from adl_tf.errors import AdlTfError, UsageError
from adl_tf.exported.loading import load_exported
from adl_tf.localization.protocols import PROTOCOLS
from adl_tf.reporting.images import find_images
from adl_tf.reporting.prediction import predict

HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture
def photographs(tmp_path):
    """Two good images, three bad ones, and two files of other endings."""
    folder = tmp_path / "images"
    folder.mkdir()
    image = np.full((40, 80, 3), 120, np.uint8)
    image[4:20, 8:40] = (30, 30, 230)
    png = cv2.imencode(".png", image)[1].tobytes()
    (folder / HOSTILE).write_bytes(png)
    # What a file is decides, not its name.
    (folder / "a.JPEG").write_bytes(png)
    (folder / "broken.jpg").write_bytes(b"not an image")
    (folder / "empty.jpg").write_bytes(b"")
    side = (20_000).to_bytes(4, "big")
    (folder / "huge.png").write_bytes(png[:16] + side + side + png[24:])
    (folder / "notes.txt").write_text("not meant")
    (folder / "clip.mp4").write_bytes(b"")
    return folder


def stdin(text):
    return io.TextIOWrapper(io.BytesIO(os.fsencode(text)))


def test_files_folders_patterns_and_lists(photographs, monkeypatch):
    paths, passed_over = find_images(str(photographs))
    assert [os.path.basename(path) for path in paths] == [
        HOSTILE,
        "a.JPEG",
        "broken.jpg",
        "empty.jpg",
        "huge.png",
    ]
    assert [os.path.basename(p) for p in passed_over] == [
        "clip.mp4",
        "notes.txt",
    ]
    notes = str(photographs / "notes.txt")
    paths, passed_over = find_images(f"{photographs},{notes}")
    assert notes in paths
    assert len(passed_over) == 1
    assert len(find_images(str(photographs / "*.jpg"))[0]) == 2
    lines = f"{photographs}/a.JPEG\n\n/nowhere/b.jpg\n"
    monkeypatch.setattr("sys.stdin", stdin(lines))
    assert find_images("-")[0] == ["/nowhere/b.jpg", f"{photographs}/a.JPEG"]
    # A comma parts names, unless it is in one.
    (photographs / "a, b.png").write_bytes(b"")
    for alone in ("a, b.png", "*, b.png"):
        found = [str(photographs / "a, b.png")]
        assert find_images(str(photographs / alone))[0] == found


def test_nothing_found(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", stdin("\n"))
    for images, words in (
        (str(tmp_path / "*.jpg"), "there is no such image$"),
        (str(tmp_path), "there is no such image$"),
        (f"{tmp_path},b.jpg", "no such image .commas part names"),
        ("-", "on the standard input, one a line, and there is none"),
    ):
        with pytest.raises(UsageError, match=words):
            find_images(images)


@pytest.mark.parametrize(
    ("images", "output_dir"),
    [
        ("images", "images/out"),
        ("images", "images/../images"),
        ("images/*.JPEG", "images"),
        ("images/**/*.JPEG", "."),
    ],
)
def test_drawings_do_not_become_images(
    photographs, monkeypatch, images, output_dir
):
    monkeypatch.chdir(photographs.parent)
    with pytest.raises(UsageError, match="have to lie apart"):
        find_images(images, output_dir)
    assert find_images(images, "images_out")[0]


@pytest.mark.slow
def test_what_the_command_says(saved_model, photographs, tmp_path):
    def localise(*names):
        given = ",".join(str(photographs / name) for name in names)
        # Its flags have names that are those of other commands here.
        return subprocess.run(
            [
                *(sys.executable, "-m", "adl_tf.predict"),
                f"--saved_model={saved_model}",
                f"--images={given}",
                f"--output_dir={out}",
            ],
            capture_output=True,
            text=True,
        )

    out = tmp_path / "out"
    result = localise("a.JPEG", HOSTILE)
    assert result.returncode == 0
    assert result.stdout.startswith("localised: 2 of 2 images; open ")
    # Images that cannot be read are told by the exit status, too.
    result = localise("a.JPEG", "broken.jpg")
    assert result.returncode == 1
    assert f"earlier predictions in {out} are replaced" in result.stdout
    assert "localised: 1 of 2 images" in result.stdout
    assert result.stderr.startswith("adl_tf.predict: 1 of 2 images could not")
    assert len(os.listdir(out / "heatmaps")) == 1
    (out / "thesis.txt").write_text("not to be lost")
    result = localise("a.JPEG")
    assert result.returncode == 2
    assert "thesis.txt there is not what an earlier" in result.stderr
    assert len(read_records(out)) == 2


def read_records(folder):
    with open(folder / "predictions.jsonl") as file:
        return [json.loads(line) for line in file]


def test_what_is_written(saved_model, photographs, data_dir, tmp_path):
    paths, _ = find_images(f"{photographs},{data_dir}/test/*.png")
    # More than a batch, and a last one that is not full.
    paths = paths * 3 + ["/nowhere/b.jpg"]
    out = tmp_path / "out"
    model = load_exported(saved_model)
    page, failed, _ = predict(model, paths, str(out), masks=True)
    assert [os.path.basename(r["image"]) for r in failed] == [
        *["broken.jpg", "empty.jpg", "huge.png"] * 3,
        "b.jpg",
    ]
    errors = {os.path.basename(r["image"]): r["error"] for r in failed}
    assert errors["broken.jpg"] == NOT_AN_IMAGE
    assert f"{MAX_PIXELS:,}" in errors["huge.png"]
    assert errors["b.jpg"] == "No such file or directory"
    records = read_records(out)
    assert [record["image"] for record in records] == paths
    protocol = PROTOCOLS["adl_cvpr19"]
    for record in records:
        if "error" in record:
            assert set(record) == {"image", "error"}
            continue
        assert record["class_name"] == str(record["class_id"])
        heatmap = np.load(out / record["heatmap"])
        assert heatmap.shape == (32, 32)
        mask = cv2.imread(str(out / record["mask"]), cv2.IMREAD_UNCHANGED)
        size = cv2.imread(record["image"]).shape[:2]
        assert mask.shape == size
        enlarged = cv2.resize(heatmap, size[::-1])
        kept = protocol.to_levels(np.clip(enlarged, 0, 1)) > int(0.3 * 255)
        np.testing.assert_array_equal(mask, np.where(kept, 255, 0))
    assert records[0]["box"] == records[14]["box"]
    with open(page) as file:
        html = file.read()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    drawn = sorted(os.listdir(out / "drawings"))
    assert len(drawn) == 2 * (len(paths) - len(failed))
    for name in drawn:
        assert cv2.imread(str(out / "drawings" / name)).size
    number = [os.path.basename(path) for path in paths].index(HOSTILE)
    drawn = cv2.imread(str(out / "drawings" / f"{number:05d}_image.jpg"))
    assert drawn.shape == (40, 80, 3)


def test_class_and_threshold(saved_model, photographs, tmp_path):
    model, boxes = load_exported(saved_model), {}
    paths = [str(photographs / "a.JPEG")]
    for threshold in (None, 0.1, 0.9):
        out = tmp_path / str(threshold)
        _, _, whole = predict(model, paths, str(out), 0, threshold)
        (record,) = read_records(out)
        assert record["class_id"] == 0
        assert not (out / "masks").exists()
        x0, y0, x1, y1 = record["box"]
        boxes[threshold] = (x1 - x0) * (y1 - y0)
        assert whole == (boxes[threshold] >= 0.95 * 80 * 40)
    assert boxes[0.1] > boxes[0.9]
    with pytest.raises(UsageError, match="the model has classes 0-1"):
        predict(model, paths, str(tmp_path / "none"), class_id=2)
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_read_is_passed_over(saved_model, photographs, tmp_path):
    os.mkfifo(photographs / "pipe.jpg")
    (photographs / "endless.jpg").symlink_to("/dev/zero")
    (photographs / "short.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (photographs / "folder.jpg").mkdir()
    inner = tmp_path / "inner"
    inner.mkdir()
    good = (photographs / "a.JPEG").read_bytes()
    name = os.fsdecode(b"not text \xff.png")
    (inner / name).write_bytes(good)
    (photographs / "link").symlink_to(inner)
    (inner / "back").symlink_to(photographs)
    paths, _ = find_images(str(photographs))
    assert f"{photographs}/link/{name}" in paths
    out = tmp_path / "out"
    page, failed, _ = predict(load_exported(saved_model), paths, str(out))
    errors = {os.path.basename(r["image"]): r["error"] for r in failed}
    assert errors["pipe.jpg"] == "it is not a regular file"
    assert errors["endless.jpg"] == "it is not a regular file"
    assert "PNG" in errors["short.png"] and "\n" not in errors["short.png"]
    assert len(paths) - len(failed) == 3
    records = {record["image"]: record for record in read_records(out)}
    assert records[f"{photographs}/link/{name}"]["class_id"] in (0, 1)


def test_a_full_disk_leaves_earlier_predictions(
    saved_model, photographs, tmp_path, monkeypatch
):
    model, paths = load_exported(saved_model), [str(photographs / "a.JPEG")]
    out = tmp_path / "out"
    predict(model, paths, str(out))
    before = read_records(out)

    def full(path, array):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(AdlTfError, match="cannot be written: No space left"):
        predict(model, paths * 40, str(out))
    assert read_records(out) == before
    assert len(os.listdir(out / "drawings")) == 2
    assert sorted(os.listdir(tmp_path)) == ["images", "out"]
