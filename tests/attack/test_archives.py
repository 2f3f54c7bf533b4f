"""Damaged archives: refused in one line, or unpacked as they were."""

import io
import random
import tarfile
import zipfile

import pytest

from adl_tf.datasets.unpacking import unpack
from adl_tf.errors import AdlTfError
from tests.attack.mutations import mutated

COUNT = 2000
NOISE = random.Random(0).randbytes(3000)  # as images are: not compressible
FILES = {
    "a/1.jpg": NOISE,
    "a/2.jpg": b"two" * 50,
    "notes.txt": b"",
    "b/3": b"3",
}


def tarred(mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [("a.tgz", tarred("w:gz")), ("a.tar", tarred("w")), ("a.zip", zipped())],
)
def test_damage(tmp_path, name, content):
    refused = 0
    for seed in range(COUNT):
        root = tmp_path / str(seed)
        root.mkdir()
        path, target = root / name, root / "out"
        path.write_bytes(mutated(content, random.Random(seed)))
        try:
            unpack(str(path), str(target))
        except AdlTfError as error:
            assert "\n" not in str(error)
            refused += 1
            continue
        found = {
            file.relative_to(target).as_posix(): file.read_bytes()
            for file in target.rglob("*")
            if file.is_file()
        }
        assert not [p for p in root.iterdir() if p.name not in (name, "out")]
        if name == "a.tgz":  # its checksum is that of all it holds
            assert found == FILES
        elif name == "a.zip":  # each file has a checksum of its own
            assert all(found[file] == FILES.get(file) for file in found)
        else:  # names and sizes have one
            sizes = {file: len(each) for file, each in found.items()}
            assert sizes == {file: len(each) for file, each in FILES.items()}
    assert refused > COUNT / 3


def test_the_archives_themselves(tmp_path):
    for name, content in (("a.tgz", tarred("w:gz")), ("a.zip", zipped())):
        (tmp_path / name).write_bytes(content)
        unpack(str(tmp_path / name), str(tmp_path / name[-3:]))
        for file, each in FILES.items():
            assert (tmp_path / name[-3:] / file).read_bytes() == each
