"""Mutated annotations: refused in one line that names the file, or read as
another parser reads them."""

import json
import random
import time
import xml.dom.minidom

import pytest

from adl_tf.datasets.coco import coco
from adl_tf.datasets.cub import cub
from adl_tf.datasets.metadata import metadata
from adl_tf.datasets.voc_xml import read_voc
from adl_tf.errors import DataError
from tests.attack.mutations import mutated

COUNT = 2000
SECONDS = 5  # of one read; a hang, even on a busy machine
NAMES = ("a/robin 1.jpg", "b/wren.jpg", "b/ёж.jpg")
# Parts that annotations may hold by a slip or on purpose.
PARTS = (
    *("NaN", "-Infinity", "1e999", "1_0", "٣", "0x1", "-1", "9" * 400),
    *("true", "null", '"', "{", "]", "<!ENTITY a 'b'>", "&a;", "</size>"),
    *(",", " ", "\n", "\r", "\0", "\u2028", "\ufeff", "../", "1e-400"),
)
CUB = {
    "classes.txt": "1 001.Robin\n2 002.Wren\n",
    "images.txt": "1 a/1.jpg\n2 b/2.jpg\n3 b/3.jpg\n",
    "image_class_labels.txt": "1 1\n2 2\n3 2\n",
    "bounding_boxes.txt": "1 1.0 2.0 3.5 4.0\n2 0 0 5 5\n3 7 8 9 1e1\n",
    "train_test_split.txt": "1 0\n2 0\n3 1\n",
}
METADATA = {
    "image_ids.txt": "".join(f"{name}\n" for name in NAMES),
    "class_labels.txt": "".join(f"{n},{i % 2}\n" for i, n in enumerate(NAMES)),
    "image_sizes.txt": "".join(f"{name},64,48\n" for name in NAMES),
    "localization.txt": "".join(f"{name},1,2.5,30,40\n" for name in NAMES),
    "class_names.txt": "robin\nwren\n",
}
COCO = json.dumps(
    {
        "categories": [{"id": 3, "name": "robin"}, {"id": 1, "name": "wren"}],
        "images": [
            {"id": i, "file_name": name, "width": 64, "height": 48}
            for i, name in enumerate(NAMES)
        ],
        "annotations": [
            {
                "image_id": i,
                "category_id": 1 + 2 * (i % 2),
                "bbox": [1, 2, 3.5, 4],
            }
            for i in range(len(NAMES))
        ],
    }
)
VOC = """<?xml version="1.0"?>
<annotation><folder>val</folder>
  <size><width>64</width><height>48</height><depth>3</depth></size>
  <object><name>n01440764</name>
    <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>
  </object>
  <object><name>n01440764</name>
    <bndbox><xmin>5</xmin><ymin>6</ymin><xmax>7.5</xmax><ymax>8</ymax></bndbox>
  </object>
</annotation>
"""


def damaged(text, seed):
    """A mutated file, in half of the cases with one of `PARTS`."""
    chosen = random.Random(seed)
    content = text.encode()
    if chosen.random() < 0.5:
        place = chosen.randrange(len(content))
        length = chosen.choice((0, 1, 2, 5))
        part = chosen.choice(PARTS).encode()
        return content[:place] + part + content[place + length :]
    return mutated(content, chosen)


def attack(path, text, read, check):
    """Reads mutations of a file.

    Args:
        path: The file.
        text: What it holds if nothing is wrong.
        read: Function that reads it.
        check: Function of the bytes of a file that was read, and of what
            `read` returned.

    Returns:
        How many were refused.
    """
    refused = 0
    for seed in range(COUNT):
        content = damaged(text, seed)
        path.write_bytes(content)
        begin = time.monotonic()
        try:
            found = read()
        except DataError as error:
            assert str(path.parent) in str(error), (seed, content)
            assert "\n" not in str(error)
            refused += 1
        else:
            check(content, found)
        assert time.monotonic() - begin < SECONDS, (seed, content)
    assert refused < COUNT - 10  # some are as good as before
    return refused


def rows(content, separator=None):
    """Fields of a text file, read by hand, strictly."""
    text = content.decode("utf-8-sig")
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line.strip():
            yield [field.strip() for field in line.split(separator)]


def images(root):
    for name in NAMES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@pytest.mark.slow
@pytest.mark.parametrize("name", CUB)
def test_cub(tmp_path, name):
    for each, text in CUB.items():
        (tmp_path / each).write_text(text)
    for _, image in rows(CUB["images.txt"].encode()):
        path = tmp_path / "images" / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def check(content, examples):
        table = {number: fields for number, *fields in rows(content)}
        if name == "bounding_boxes.txt":
            for number, box in zip("12", examples.boxes):
                x, y, width, height = map(float, table[number])
                wanted = [x, y, x + width, y + height]
                assert box[0].tolist() == pytest.approx(wanted, rel=1e-6)
        if name == "image_class_labels.txt":
            labels = [int(table[number][0]) - 1 for number in "12"]
            assert examples.labels.tolist() == labels

    refused = attack(
        tmp_path / name, CUB[name], lambda: cub(str(tmp_path), "test"), check
    )
    assert refused > COUNT / 5


@pytest.mark.slow
@pytest.mark.parametrize("name", METADATA)
def test_metadata(tmp_path, name):
    images(tmp_path)
    folder = tmp_path / "metadata" / "test"
    folder.mkdir(parents=True)
    for each, text in METADATA.items():
        (folder / each).write_text(text, encoding="utf-8")

    def check(content, examples):
        table = {}
        for image, *fields in rows(content, ","):
            table.setdefault(image, []).append(fields)
        if name == "image_ids.txt":
            assert examples.image_ids == list(table)
        elif name == "class_names.txt":
            text = content.decode("utf-8-sig").rstrip().replace("\r\n", "\n")
            lines = text.replace("\r", "\n").split("\n")
            assert examples.class_names == [line.strip() for line in lines]
        elif name == "class_labels.txt":
            labels = [int(table[image][0][0]) for image in NAMES]
            assert examples.labels.tolist() == labels
        elif name == "image_sizes.txt":
            sizes = [[*map(int, table[image][0])] for image in NAMES]
            assert examples.sizes.tolist() == sizes
        else:
            for image, boxes in zip(NAMES, examples.boxes):
                wanted = [
                    [*map(float, fields)]
                    for fields in table.get(image, ())
                    if len(fields) == 4
                ]
                assert len(boxes) == len(wanted)
                for box, each in zip(boxes.tolist(), wanted):
                    assert box == pytest.approx(each, rel=1e-6)

    refused = attack(
        folder / name,
        METADATA[name],
        lambda: metadata(str(tmp_path), "test"),
        check,
    )
    # Most names are as good as any other.
    assert refused > (COUNT / 5 if name != "class_names.txt" else 10)


@pytest.mark.slow
def test_coco(tmp_path, capsys):
    images(tmp_path)
    path = tmp_path / "annotations" / "test.json"
    path.parent.mkdir()

    def strict(pairs):
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    def refuse(text):
        raise AssertionError(text)

    def check(content, examples):
        parsed = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=strict,
            parse_constant=refuse,
        )
        boxes = {each["file_name"]: [] for each in parsed["images"]}
        names = {each["id"]: each["file_name"] for each in parsed["images"]}
        for each in parsed["annotations"]:
            if not each.get("iscrowd"):
                x, y, width, height = each["bbox"]
                wanted = [x, y, x + width, y + height]
                boxes[names[each["image_id"]]].append(wanted)
        for name, found in zip(examples.image_ids, examples.boxes):
            for box, each in zip(found.tolist(), boxes[name], strict=True):
                assert box == pytest.approx(each, rel=1e-6)
        classes = {each["id"]: each["name"] for each in parsed["categories"]}
        ordered = [classes[number].strip() for number in sorted(classes)]
        assert examples.class_names == ordered
        assert not any(type(number) is bool for number in classes)

    refused = attack(path, COCO, lambda: coco(str(tmp_path), "test"), check)
    capsys.readouterr()
    assert refused > COUNT / 2


@pytest.mark.slow
def test_voc(tmp_path):
    path = tmp_path / "a.xml"

    def check(content, annotation):
        root = xml.dom.minidom.parseString(content).documentElement

        def numbers(name):
            found = root.getElementsByTagName(name)
            texts = [
                "".join(node.data for node in each.childNodes) for each in found
            ]
            return [float(text) for text in texts]

        assert annotation.size[0] in numbers("width")
        corners = [numbers(name) for name in ("xmin", "ymin", "xmax", "ymax")]
        for box, (x0, y0, x1, y1) in zip(annotation.boxes, zip(*corners)):
            wanted = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            assert box == pytest.approx(wanted)

    assert attack(path, VOC, lambda: read_voc(str(path)), check) > COUNT / 3
