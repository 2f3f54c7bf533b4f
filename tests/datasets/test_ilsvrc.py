"""ImageNet's official layout, drawn small; its classes are all there."""

import cv2
import numpy as np
import pytest

from adl_tf.datasets.ilsvrc import ilsvrc
from adl_tf.errors import DataError

SYNSETS = [f"n{number:08d}" for number in range(1000, 2000)]
BOX = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def xml(*objects, size=(12, 9)):
    """An annotation with a line for each element of the first level."""
    lines = [
        "<annotation>",
        "<filename>%s</filename>",  # Some of ILSVRC's say just this.
        f"<size><width>{size[0]}</width><height>{size[1]}</height></size>",
    ]
    for name, *box in objects:
        lines.append(
            f"<object><name>{name}</name><difficult>0</difficult>"
            f"<bndbox>{BOX.format(*box)}</bndbox></object>"
        )
    return "\n".join([*lines, "</annotation>", ""])


@pytest.fixture
def root(tmp_path):
    """The folder above `ILSVRC`, as Kaggle's archive has it."""
    inner = tmp_path / "ILSVRC"
    # Not in the order of the numbers, which is what counts.
    lines = [f"{each} thing {each}, object" for each in reversed(SYNSETS)]
    write(tmp_path / "LOC_synset_mapping.txt", "\n".join(lines))
    for name, content in {
        "val/ILSVRC2012_val_00000001": xml(
            (SYNSETS[65], 1, 2, 13, 8), (SYNSETS[65], 0, 0, 3, 3)
        ),
        "val/ILSVRC2012_val_00000002": xml(
            (SYNSETS[999], 5, 5, 5, 5), size=(24, 18)
        ),
        f"train/{SYNSETS[3]}/{SYNSETS[3]}_7": xml(
            (SYNSETS[4], 0, 0, 1, 1),
            ("Scottish_deerhound", 9, 8, 1, 2),
            (SYNSETS[3], 0, 0, 2, 2),
        ),
        f"train/{SYNSETS[3]}/{SYNSETS[3]}_8": None,
        f"train/{SYNSETS[0]}/{SYNSETS[0]}_9": xml(),
    }.items():
        path = inner / "Data" / "CLS-LOC" / f"{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = cv2.imencode(".jpg", np.zeros((9, 12, 3), np.uint8))[1]
        path.write_bytes(image.tobytes())
        if content:
            write(inner / "Annotations" / "CLS-LOC" / f"{name}.xml", content)
    return tmp_path


def annotation(root, number=1):
    name = f"ILSVRC2012_val_{number:08d}.xml"
    return root / "ILSVRC" / "Annotations" / "CLS-LOC" / "val" / name


def refusal(root, split="val"):
    with pytest.raises(DataError) as caught:
        ilsvrc(str(root), split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("split", ["val", "test"])
def test_validation(root, split):
    examples = ilsvrc(str(root), split)
    assert examples.image_ids == [
        f"val/ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2)
    ]
    assert examples.labels.tolist() == [65, 999]
    # As annotated: the first first, over the edge, of a single pixel.
    assert examples.boxes[0].tolist() == [[1, 2, 13, 8], [0, 0, 3, 3]]
    assert examples.boxes[1].tolist() == [[5, 5, 5, 5]]
    assert examples.sizes.tolist() == [[12, 9], [24, 18]]
    assert examples.class_names[65] == f"thing {SYNSETS[65]}, object"
    assert examples.num_classes == 1000


def test_training(root):
    examples = ilsvrc(str(root / "ILSVRC"), "train")
    assert examples.labels.tolist() == [0, 3, 3]
    # No object; another class's left out and corners put right; no file.
    assert [boxes.tolist() for boxes in examples.boxes] == [
        [],
        [[1, 2, 9, 8], [0, 0, 2, 2]],
        [],
    ]


def test_a_list_of_the_images_decides(root):
    folder = root / "ILSVRC" / "ImageSets" / "CLS-LOC"
    write(folder / "val.txt", "\ufeffILSVRC2012_val_00000002 2\r\n\r\n")
    write(folder / "train_cls.txt", f"{SYNSETS[3]}/{SYNSETS[3]}_6 1\n")
    assert ilsvrc(str(root), "val").labels.tolist() == [999]
    message = refusal(root, "train")
    assert f"{SYNSETS[3]}_6.JPEG" in message
    assert "image-net.org" in message


def test_utf_16_and_windows_line_ends(root):
    text = '<?xml version="1.0" encoding="UTF-16"?>\r\n' + xml(
        (SYNSETS[1], 1, 2, 3, 4)
    ).replace("\n", "\r\n")
    write(annotation(root), text.encode("utf-16"))
    write(annotation(root, 2), "\ufeff" + xml((SYNSETS[2], 1, 2, 3, 4)))
    assert ilsvrc(str(root), "val").labels.tolist() == [1, 2]


BOMB = '<!DOCTYPE a [<!ENTITY b "{}">]>\n<annotation>&b;</annotation>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>\n<a>&b;</a>'
OBJECT = (SYNSETS[1], 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", 1, "no element found"),
        ("<annotation>\n<size>", 2, "no element found"),
        ("<annotation>\n<size></annotation>", 2, "mismatched tag"),
        ("<html>\n</html>", 1, "<annotation> expected, not <html>"),
        ("<annotation>\n</annotation>", 2, "no width and height"),
        (xml(OBJECT, size=(0, 9)), 3, "without pixels"),
        (xml(OBJECT, size=("x", 9)), 3, "a whole number expected: 'x'"),
        (xml(OBJECT, (SYNSETS[1], 1, 2, 3, "nan")), 5, "not finite: 'nan'"),
        (xml(OBJECT, (SYNSETS[1], 1, 2, "-inf", 4)), 5, "not finite: '-inf'"),
        (xml(OBJECT, (SYNSETS[1], "", 2, 3, 4)), 5, "a number expected: ''"),
        (xml(OBJECT).replace("ymax", "other"), 4, "object without ymax"),
        (xml(OBJECT).replace("ymin", "ymax"), 4, "ymax given twice"),
        (BOMB.format("&c;" * 9), 1, "declares entities"),
        (EXTERNAL, 1, "declares entities"),
        ('<?xml version="1.0" encoding="utf-9"?><annotation/>', 1, "utf-9"),
    ],
)
def test_a_malformed_file_is_named_with_the_line(root, content, line, reason):
    write(annotation(root), content)
    message = refusal(root)
    assert message.startswith(f"{annotation(root)}:{line}: ")
    assert reason in message


@pytest.mark.parametrize(
    ("objects", "reason"),
    [
        ([], "objects of one class expected, not none"),
        ([OBJECT, (SYNSETS[2], 1, 2, 3, 4)], f"{SYNSETS[1]}, {SYNSETS[2]}"),
        ([("n09999999", 1, 2, 3, 4)], "'n09999999' is none of the classes"),
    ],
)
def test_a_image_to_test_on_has_one_class(root, objects, reason):
    write(annotation(root), xml(*objects))
    message = refusal(root)
    assert str(annotation(root)) in message
    assert reason in message


def test_what_is_missing_is_named(root):
    annotation(root, 2).unlink()
    assert f"no file {annotation(root, 2)}; ImageNet comes" in refusal(root)
    assert "train and val, not 'validation'" in refusal(root, "validation")
    mapping = root / "LOC_synset_mapping.txt"
    mapping.write_text(mapping.read_text().replace("n00001999 ", "n00001998 "))
    assert f"{mapping}:2: given twice" in refusal(root)
    mapping.write_text("n00001000 thing")
    assert "has 1 classes, not 1000" in refusal(root)
    mapping.unlink()
    assert "not the 1000 folders" in refusal(root)


def test_classes_by_the_folders_of_the_training_images(root):
    (root / "LOC_synset_mapping.txt").unlink()
    for synset in SYNSETS:
        folder = root / "ILSVRC" / "Data" / "CLS-LOC" / "train" / synset
        folder.mkdir(exist_ok=True)
    examples = ilsvrc(str(root), "val")
    assert examples.labels.tolist() == [65, 999]
    assert examples.class_names == SYNSETS


@pytest.mark.parametrize("name", ["/", "/etc/passwd", "../a", "a/../../b"])
def test_names_stay_within_the_folder(root, name):
    listed = root / "ILSVRC" / "ImageSets" / "CLS-LOC" / "val.txt"
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text(f"{name} 1\n")
    assert f"{listed}:1: a name within the folder" in refusal(root)
