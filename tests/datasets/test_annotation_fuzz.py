"""Whatever annotation files hold, readers read it or raise `DataError`."""

import json
import os
import pathlib
import re
import tempfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adl_tf.datasets.coco import coco
from adl_tf.datasets.cub import cub
from adl_tf.datasets.ilsvrc import ilsvrc
from adl_tf.datasets.metadata import metadata
from adl_tf.errors import DataError

# More with ADL_TF_FUZZ_EXAMPLES, for a night.
EXAMPLES = int(os.environ.get("ADL_TF_FUZZ_EXAMPLES", 60))
LIMITS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
SYNSETS = [f"n{number:08d}" for number in range(1000)]
VAL = "ILSVRC/Annotations/CLS-LOC/val/a.xml"
GOOD_XML = (
    "<annotation><size><width>9</width><height>9</height></size><object>"
    "<name>n00000001</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax>"
    "<ymax>2</ymax></bndbox></object></annotation>"
)
GOOD_JSON = {
    "categories": [{"id": 1, "name": "a"}],
    "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
    "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
}
# A reader, and files of a folder that it reads.
FOLDERS = {
    "cub": (
        cub,
        {
            "classes.txt": "1 001.a\n2 002.b",
            "images.txt": "1 a.jpg\n2 b.jpg",
            "image_class_labels.txt": "1 1\n2 2",
            "bounding_boxes.txt": "1 1 1 2 2\n2 1 1 2 2",
            "train_test_split.txt": "1 0\n2 0",
            "images/a.jpg": "",
            "images/b.jpg": "",
        },
    ),
    "metadata": (
        metadata,
        {
            "metadata/test/image_ids.txt": "a.jpg\nb.jpg",
            "metadata/test/class_labels.txt": "a.jpg,0\nb.jpg,1",
            "metadata/test/image_sizes.txt": "a.jpg,9,9\nb.jpg,9,9",
            "metadata/test/localization.txt": "a.jpg,1,1,2,2\nb.jpg,m.png",
            "metadata/test/class_names.txt": "a\nb",
            "a.jpg": "",
            "b.jpg": "",
        },
    ),
    "ilsvrc": (
        ilsvrc,
        {
            VAL: GOOD_XML,
            "ILSVRC/ImageSets/CLS-LOC/val.txt": "a 1",
            "ILSVRC/Data/CLS-LOC/val/a.JPEG": "",
            "LOC_synset_mapping.txt": "\n".join(SYNSETS),
        },
    ),
    "coco": (
        coco,
        {"annotations/test.json": json.dumps(GOOD_JSON), "a.jpg": ""},
    ),
}
FILES = [
    (name, file)
    for name, (_, files) in FOLDERS.items()
    for file, content in files.items()
    if content
]
NUMBERS = st.one_of(
    st.integers(-3, 12).map(str),
    st.floats(allow_nan=True).map(str),
    st.sampled_from(["", "1e999", "9" * 400, "1_0", "٣", "0x1", "-", "−1"]),
)
WORDS = st.one_of(
    NUMBERS, st.sampled_from(["a.jpg", "b.jpg", "1", "2"]), st.text(max_size=6)
)


@pytest.fixture(scope="module")
def roots():
    with tempfile.TemporaryDirectory() as folder:
        for name, (_, files) in FOLDERS.items():
            for file, content in files.items():
                write(pathlib.Path(folder, name, file), content)
        yield pathlib.Path(folder)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    path.write_bytes(content)


def read(roots, name, file, content):
    """Reads a folder, one file of which holds something else.

    Returns:
        Whether it could be read.
    """
    reader, files = FOLDERS[name]
    write(roots / name / file, content)
    try:
        examples = reader(str(roots / name), "test")
    except DataError as error:
        assert str(roots / name) in str(error)  # says where
        return False
    finally:
        write(roots / name / file, files[file])
    count = len(examples)
    assert count == len(set(examples.image_ids)) == len(examples.boxes)
    assert all(0 <= label < examples.num_classes for label in examples.labels)
    for boxes in examples.boxes:
        assert np.isfinite(boxes).all() and boxes.shape[1:] == (4,)
        assert (boxes[:, :2] <= boxes[:, 2:]).all()
    return True


@pytest.mark.parametrize(("name", "file"), FILES)
def test_any_bytes(roots, name, file):
    good = FOLDERS[name][1][file].encode()
    assert read(roots, name, file, good)

    @LIMITS
    @given(
        st.one_of(
            st.binary(max_size=200),
            # A good file in which a few bytes are others.
            st.tuples(
                st.integers(0, len(good)), st.integers(0, 9), st.binary()
            ).map(lambda cut: good[: cut[0]] + cut[2] + good[sum(cut[:2]) :]),
        )
    )
    def check(content):
        read(roots, name, file, content)

    check()


@pytest.mark.parametrize(
    ("name", "file"), [f for f in FILES if f[1].endswith(".txt")]
)
def test_any_lines(roots, name, file):
    good = FOLDERS[name][1][file].splitlines()[:2]

    @LIMITS
    @given(
        st.lists(
            st.one_of(
                st.sampled_from(good), st.lists(WORDS, max_size=6).map(" ".join)
            ),
            max_size=6,
        ),
        st.sampled_from(["\n", "\r\n", "\r", "\u2028"]),
        st.sampled_from(["", "\ufeff"]),
        st.sampled_from([" ", ",", "\t"]),
    )
    def check(lines, ending, start, separator):
        text = start + ending.join(lines).replace(" ", separator)
        read(roots, name, file, text)

    check()


ELEMENTS = st.recursive(
    WORDS.map(lambda word: re.sub("[<&]", "", word)),
    lambda inner: st.lists(
        st.tuples(
            st.sampled_from(
                "annotation size width height object name bndbox xmin ymin "
                "xmax ymax part".split()
            ),
            inner,
        ),
        max_size=6,
    ).map(lambda parts: "".join(f"<{tag}>{t}</{tag}>" for tag, t in parts)),
    max_leaves=12,
)


@LIMITS
@given(ELEMENTS, st.lists(NUMBERS, min_size=6, max_size=6))
@example("<a>" * 100_000 + "</a>" * 100_000, ["1"] * 6)
def test_any_xml(roots, inner, numbers):
    read(roots, "ilsvrc", VAL, f"<annotation>{inner}</annotation>")
    corners = ("width", "height", "xmin", "ymin", "xmax", "ymax")
    text = GOOD_XML.replace("</annotation>", f"{inner}</annotation>")
    for corner, number in zip(corners, numbers):
        text = re.sub(f"<{corner}>.*?<", f"<{corner}>{number}<", text, count=1)
    read(roots, "ilsvrc", VAL, text)


VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 12),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=6), inner, max_size=4),
    ),
    max_leaves=8,
)


@LIMITS
@given(st.data())
def test_any_json(roots, data):
    content = json.loads(json.dumps(GOOD_JSON))
    entries = content[data.draw(st.sampled_from(sorted(content)))]
    entries.append(dict(entries[0]))
    changed = data.draw(st.sampled_from([entries, *entries]))
    places = range(2) if changed is entries else [*changed, "iscrowd"]
    changed[data.draw(st.sampled_from(places))] = data.draw(VALUES)
    read(roots, "coco", "annotations/test.json", json.dumps(content))


@LIMITS
@given(VALUES)
def test_any_other_json(roots, content):
    read(roots, "coco", "annotations/test.json", json.dumps(content))
