"""`python -m adl_tf.datasets` on a folder of damaged images."""

import io
import os
import pathlib
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from adl_tf.datasets import __main__ as command
from adl_tf.datasets import pipeline
from adl_tf.datasets.check import check_split
from adl_tf.datasets.findings import as_text, counts, duplicates, problems
from adl_tf.datasets.load import load_examples
from adl_tf.errors import DataError
from adl_tf.training.loop import train
from tests.in_process import call

HOSTILE = "<script>alert(1)</script> & {{ 7 * 7 }}"


def encoded(kind, seed=0, mode="RGB", size=(24, 18)):
    random = np.random.default_rng(seed)
    file = io.BytesIO()
    if mode == "I;16":
        pixels = random.integers(0, 2**16, size[::-1], np.uint16)
        image = Image.fromarray(pixels)
    else:
        count = size[0] * size[1] * len(mode)
        image = Image.frombytes(mode, size, random.bytes(count))
    image.save(file, kind)
    return file.getvalue()


def huge():
    """A PNG file of some hundred bytes that claims 60,000 x 60,000 pixels."""

    def chunk(name, data):
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    side = (60_000).to_bytes(4, "big")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", side + side + b"\x08\x02\0\0\0")
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def animated():
    frames = [Image.new("RGB", (24, 18), (60 * n, 0, 0)) for n in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


# File, content, and whether it can be decoded.
IMAGES = {
    "good.jpg": (encoded("JPEG"), True),
    "truncated.jpg": (encoded("JPEG", 1, size=(240, 180))[:20_000], False),
    "zero.jpg": (b"", False),
    "page.jpg": (b"<!doctype html><title>404</title>", False),
    "png.jpg": (encoded("PNG", 2), True),
    "cmyk.jpg": (encoded("JPEG", 3, "CMYK"), True),
    "deep.png": (encoded("PNG", 4, "I;16"), True),
    "animated.gif": (animated(), True),
    "pixel.png": (encoded("PNG", 5, size=(1, 1)), True),
    "huge.png": (huge(), False),
    "locked.jpg": (encoded("JPEG", 6), False),
    "scan.jpg": (encoded("TIFF", 7), False),
    "new.jxl": (b"\xff\x0a" + bytes(99), False),
}
READABLE = [name for name, (_, good) in IMAGES.items() if good]
# The superuser may read everything.
LOCKED = os.geteuid() != 0
BAD = [
    name
    for name, (_, good) in IMAGES.items()
    if not good and (LOCKED or name != "locked.jpg")
]


def write_split(root, split, images, boxes="1,1,9,9"):
    """A split, every image of which has the same boxes, `;` between."""
    metadata = root / "metadata" / split
    metadata.mkdir(parents=True)
    (root / split).mkdir()
    lines = {"image_ids": [], "class_labels": [], "image_sizes": []}
    lines["localization"] = []
    for place, (name, content) in enumerate(images.items()):
        path = f"{split}/{name}"
        (root / path).write_bytes(content)
        if name == "locked.jpg":
            (root / path).chmod(0)
        lines["image_ids"].append(path)
        lines["class_labels"].append(f"{path},{place % 2}")
        lines["image_sizes"].append(f"{path},24,18")
        lines["localization"] += [
            f"{path},{box}" for box in boxes.split(";") if box
        ]
    for name, content in lines.items():
        (metadata / f"{name}.txt").write_text("\n".join(content))
    (root / "metadata" / "class_names.txt").write_text(f"robin\n{HOSTILE}")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged")
    contents = {name: content for name, (content, _) in IMAGES.items()}
    write_split(root, "train", contents)
    # One of them is also in the training set, as another file.
    copy = io.BytesIO()
    Image.open(io.BytesIO(contents["png.jpg"])).save(copy, "BMP")
    others = {"copy.bmp": copy.getvalue(), "new.jpg": encoded("JPEG", 9)}
    write_split(root, "test", others, boxes="-3,2,30,9;24,0,30,9;5,5,5,9")
    return root


def checked(root, *splits):
    return [
        check_split(
            split,
            load_examples("metadata", str(root), split),
            lambda items, _: items,
        )
        for split in splits
    ]


def test_damaged_images_are_found_and_the_others_pass(damaged):
    (split,) = checked(damaged, "train")
    found = dict(split.unreadable)
    assert sorted(found) == sorted(str(damaged / "train" / n) for n in BAD)
    assert all(found.values())
    for name in ("page.jpg", "scan.jpg", "new.jxl"):
        reason = found[str(damaged / "train" / name)]
        assert reason == "it is none of JPEG, PNG, GIF, BMP, WebP"
    sizes = {
        os.path.basename(path): image.size
        for path, image in zip(split.examples.paths, split.images)
    }
    assert sizes["pixel.png"] == (1, 1)
    assert all(
        sizes[name] == (24, 18) for name in READABLE if name != "pixel.png"
    )
    (problem,) = problems([split])
    assert problem.startswith(f"{len(BAD)} images of train cannot be read")


def test_training_names_a_damaged_image_in_one_line(damaged, settings):
    with pytest.raises(DataError) as caught:
        train(settings(data_dir=str(damaged), epochs=1))
    message = str(caught.value)
    assert message.startswith(f"image {damaged}/train/truncated.jpg cannot")
    assert "\n" not in message


def test_evaluation_names_a_damaged_image_in_one_line(damaged):
    examples = load_examples("metadata", str(damaged), "train")
    batches = pipeline.test_batches(
        examples, batch_size=4, resize_size=32, input_size=32
    )
    with pytest.raises(DataError) as caught:
        with pipeline.bad_image_named(examples):
            list(batches)
    message = str(caught.value)
    assert message.startswith(f"image {damaged}/train/truncated.jpg cannot")
    assert "\n" not in message


def test_pipelines_decode_what_passes(damaged):
    (split,) = checked(damaged, "train")
    good = [n for n, image in enumerate(split.images) if image.size]
    assert pipeline.undecodable(split.examples.take(good)) is None


def test_odd_boxes_and_images_of_another_split(damaged):
    splits = checked(damaged, "train", "test")
    odd = {kind: n for kind, n in splits[1].odd_boxes.items() if n}
    assert odd == {
        "a box over the edge": [0, 1],
        "a box wholly outside": [0, 1],
        "an empty box": [0, 1],
    }
    places = list(IMAGES)
    # One pixel, annotated as 24 x 18.
    assert splits[0].odd_boxes["a box for an image of another shape"] == [
        places.index("pixel.png")
    ]
    assert duplicates(splits) == [[(0, places.index("png.jpg")), (1, 0)]]
    rows = dict((name, cells) for name, *cells in counts(splits, [[(0, 4)]]))
    assert rows["images"] == [str(len(IMAGES)), "2"]
    assert rows["boxes"] == [str(len(IMAGES)), "6"]
    assert rows["images a class"] == ["6-7", "1-1"]


def test_what_the_decoder_complains_of_is_named(tmp_path, capfd):
    """libjpeg decodes it, and writes a line that names no file."""
    whole = encoded("JPEG", size=(240, 180))
    broken = whole[:5000] + bytes(40) + whole[5040:]
    images = {"a.jpg": whole, "b.jpg": broken, "c.jpg": whole[:9000]}
    write_split(tmp_path, "train", images)
    capfd.readouterr()
    (split,) = checked(tmp_path, "train")
    assert "JPEG" not in capfd.readouterr().err
    assert [path for path, _ in split.unreadable] == [
        str(tmp_path / "train" / "c.jpg")
    ]
    path = tmp_path / "train" / "b.jpg"
    assert f"{path}: Corrupt JPEG data" in as_text([split])
    assert "extraneous bytes" in dict(split.damaged)[str(path)]
    assert len(split.damaged) == 1


def test_what_evaluation_stumbles_over(tmp_path):
    images = {"a.png": encoded("PNG", 1), "b.png": encoded("PNG", 2)}
    for split in ("train", "test"):
        write_split(tmp_path, split, images)
    folder = tmp_path / "metadata" / "test"
    (folder / "localization.txt").write_text("test/a.png,m.png")
    (folder / "class_names.txt").write_text("robin\nwren")
    found = problems(checked(tmp_path, "train", "test"))
    assert found == [
        "1 mask of test cannot be read",
        "1 image of test without a box, which evaluation needs",
        "the splits have different classes: in test, images are of class 1, "
        f"'wren', which is none of the 2 classes of train: robin, {HOSTILE}",
    ]


def masked(tmp_path, **masks):
    """A test split of 2 images with masks, each of an array or bytes."""
    images = {"a.png": encoded("PNG", 1), "b.png": encoded("PNG", 2)}
    write_split(tmp_path, "test", images)
    lines = []
    for name, mask in masks.items():
        path = tmp_path / f"{name}.png"
        if isinstance(mask, bytes):
            path.write_bytes(mask)
        else:
            Image.fromarray(mask).save(path)
        lines.append(f"test/{name[0]}.png,{path.name}")
    folder = tmp_path / "metadata" / "test"
    (folder / "localization.txt").write_text("\n".join(lines))
    return checked(tmp_path, "test")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_masks_that_cannot_be_scored(tmp_path, kind):
    nothing = np.zeros((18, 24), kind)
    left, right = nothing.copy(), nothing.copy()
    left[:, :12] = right[:, 12:] = 1
    splits = masked(tmp_path, a1=nothing, a2=nothing, b1=left, b2=right)
    # Both of an image's masks together are its object.
    assert splits[0].odd_masks == {
        "an empty mask": [0],
        "a mask of all pixels": [1],
    }
    assert problems(splits) == [
        "1 image of test with an empty mask",
        "1 image of test with a mask of all pixels",
    ]
    text = as_text(splits)
    assert "test, an empty mask:\n  test/a.png" in text
    assert "test, a mask of all pixels:\n  test/b.png" in text


def test_good_masks_and_damaged_ones(tmp_path):
    mask = np.zeros((18, 24), np.uint16)
    mask[3:9, 4:9] = 1
    (split,) = masked(tmp_path, a1=mask, a2=~mask, b=b"\x89PNG\r\n\x1a\n")
    assert split.odd_masks["an empty mask"] == []
    assert [path for path, _ in split.bad_masks] == [str(tmp_path / "b.png")]


def test_data_of_one_class(tmp_path):
    for number, split in enumerate(("train", "test")):
        write_split(tmp_path, split, {"a.png": encoded("PNG", number)})
    found = problems(checked(tmp_path, "train", "test"))
    assert found == [
        "all images of train are of one class, so there is nothing to tell "
        "apart"
    ]


def test_classes_in_another_order_are_no_problem(tmp_path):
    for number, split in enumerate(("train", "test")):
        images = {f"{n}.png": encoded("PNG", 2 * number + n) for n in (0, 1)}
        write_split(tmp_path, split, images)
        names = tmp_path / "metadata" / split / "class_names.txt"
        names.write_text("robin\nwren" if number else "wren\nrobin")
    assert not problems(checked(tmp_path, "train", "test"))


def test_boxes_that_are_fractions(tmp_path):
    images = {"a.png": encoded("PNG", 1), "b.png": encoded("PNG", 2)}
    write_split(tmp_path, "train", images, boxes="0,0.25,0.5,1")
    write_split(tmp_path, "val", images, boxes="0,0,1,1.5")
    write_split(tmp_path, "test", images, boxes="")
    found = problems(checked(tmp_path, "train", "val", "test"))
    assert found == [
        "all boxes of train lie within 0 to 1: boxes have to be in pixels"
    ]


def test_class_numbers_from_1(tmp_path):
    for split in ("train", "test"):
        write_split(tmp_path, split, {"a.png": encoded("PNG")})
    hint = "no image is of class 0: class numbers start at 0"
    for split, number in (("train", 0), ("test", 1), ("train", 1)):
        assert hint not in as_text(checked(tmp_path, "train", "test"))
        path = tmp_path / "metadata" / split / "class_labels.txt"
        path.write_text(f"{split}/a.png,{number}")
    assert hint in as_text(checked(tmp_path, "train", "test"))


def test_all_splits_that_are_there_are_checked(tmp_path, capsys):
    for number, split in enumerate(("test", "train", "val")):
        images = {
            name: encoded("PNG", 2 * number + place)
            for place, name in enumerate(("a.png", "b.png"))
        }
        write_split(tmp_path, split, images, boxes="1,1,9,9;" * (number < 2))
    call(command, "--dataset=metadata", f"--data_dir={tmp_path}", "--check")
    shown = capsys.readouterr().out
    assert shown.split()[:3] == ["train", "val", "test"]
    assert "val has neither boxes nor masks" in shown
    assert shown.count("neither boxes nor masks") == 1


def test_what_is_wrong_with_the_files_of_all_splits_is_told(tmp_path, capsys):
    for split in ("train", "val", "test"):
        write_split(tmp_path, split, {"a.png": encoded("PNG")})
    arguments = ["--dataset=metadata", f"--data_dir={tmp_path}", "--check"]
    (tmp_path / "train" / "a.png").unlink()
    (tmp_path / "metadata" / "val" / "image_sizes.txt").write_text("a.png,9")
    with pytest.raises(DataError, match="splits train, val cannot be read"):
        call(command, *arguments)
    told = capsys.readouterr().out
    assert f"missing: {tmp_path}/train/a.png" in told
    assert "val/image_sizes.txt:1: 3 fields expected, not 2" in told
    with pytest.raises(DataError, match="missing: .*train/a.png"):
        call(command, *arguments, "--splits=train,test")


@pytest.mark.slow
def test_names_of_any_bytes(tmp_path):
    root = pathlib.Path(os.fsdecode(os.fsencode(tmp_path) + b"/f\xff \xe9"))
    root.mkdir()
    write_split(root, "train", {"a.png": encoded("PNG")[:60], "b.png": b""})
    done = subprocess.run(
        [sys.executable, "-m", "adl_tf.datasets", "--dataset=metadata"]
        + [f"--data_dir={root}", "--check"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert done.returncode == 1
    assert done.stderr == (
        b"adl_tf.datasets: 2 images of train cannot be read\n"
    )
    assert rb"f\udcff \udce9/train/a.png: " in done.stdout


@pytest.mark.slow
def test_command(damaged, tmp_path):
    page = tmp_path / "new" / "page.html"
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "adl_tf.datasets",
            "--dataset=metadata",
            f"--data_dir={damaged}",
            "--check",
            f"--show={page}",
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == (
        f"adl_tf.datasets: {len(BAD)} images of train cannot be read"
    )
    assert f"  {damaged}/train/zero.jpg: " in result.stdout
    assert "train train/png.jpg (robin) = test test/copy.bmp" in result.stdout
    assert result.stdout.endswith(f"written: open {page}\n")
    text = page.read_text()
    assert "data:image/jpeg;base64," in text
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "src=" not in text and "http" not in text.replace("http-equiv", "")
