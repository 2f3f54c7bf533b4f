"""Archives, good, damaged and malicious."""

import io
import os
import tarfile
import zipfile

import pytest

from adl_tf.datasets.unpacking import unpack
from adl_tf.errors import DataError


def write_tar(path, files, mode="w:gz", links=()):
    with tarfile.open(path, mode) as archive:
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return str(path)


def tree(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("write", "name"), [(write_tar, "a.tgz"), (write_zip, "a.zip")]
)
def test_unpacks_what_is_wanted(tmp_path, write, name):
    files = {"./birds/a/1.jpg": b"one", "birds/2.jpg": b"two", "notes": b"no"}
    archive = write(tmp_path / name, files)
    unpack(archive, tmp_path / "out", inner="birds")
    assert tree(tmp_path / "out") == {"a/1.jpg": b"one", "2.jpg": b"two"}


def test_leaves_what_is_there_and_mends_the_rest(tmp_path):
    archive = write_tar(tmp_path / "a.tgz", {"1": b"one", "2": b"two"})
    target = tmp_path / "out"
    unpack(archive, target)
    (target / "1").write_bytes(b"1")  # cut short
    os.utime(target / "2", (0, 0))
    unpack(archive, target)
    assert tree(target) == {"1": b"one", "2": b"two"}
    assert (target / "2").stat().st_mtime == 0


def test_tar_files_within_become_folders(tmp_path):
    inner = write_tar(tmp_path / "n01.tar", {"n01_1.JPEG": b"fish"}, "w")
    with open(inner, "rb") as file:
        outer = write_tar(
            tmp_path / "train.tar", {"n01.tar": file.read(), "x": b""}, "w"
        )
    unpack(outer, tmp_path / "out")
    assert tree(tmp_path / "out") == {"n01/n01_1.JPEG": b"fish", "x": b""}


@pytest.mark.parametrize(
    ("write", "name"), [(write_tar, "a.tgz"), (write_zip, "a.zip")]
)
@pytest.mark.parametrize(
    "evil", ["../evil", "a/../../evil", "/tmp/evil", "..\\evil"]
)
def test_no_name_leads_out(tmp_path, write, name, evil):
    archive = write(tmp_path / name, {"good": b"1", evil: b"2", "after": b"3"})
    with pytest.raises(DataError, match="leads out of the folder") as caught:
        unpack(archive, tmp_path / "out" / "deep")
    assert f"{name} holds {evil}, which" in str(caught.value)
    # Neither the evil file nor, outside the target, any other.
    assert tree(tmp_path / "out") == {"deep/good": b"1"}
    assert not (tmp_path / "evil").exists()
    assert not os.path.exists("/tmp/evil")


@pytest.mark.parametrize("inside", [False, True])
def test_no_link_leads_out(tmp_path, inside):
    outside = tmp_path / "outside"
    outside.mkdir()
    files = {"link/evil": b"1", "inner/link/evil": b"2"}
    links = [("link", str(outside)), ("inner/link", "../../outside")]
    archive = write_tar(tmp_path / "a.tar", files, "w", links)
    if inside:
        with open(archive, "rb") as file:
            archive = write_tar(tmp_path / "b.tar", {"a.tar": file.read()}, "w")
    unpack(archive, tmp_path / "out")
    assert tree(outside) == {}
    root = tmp_path / "out" / "a" if inside else tmp_path / "out"
    assert tree(root) == files


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize(
    ("write", "name"), [(write_tar, "a.tgz"), (write_zip, "a.zip")]
)
def test_a_damaged_archive_is_named(tmp_path, write, name, kept):
    path = write(tmp_path / name, {"1": os.urandom(5000), "2": os.urandom(99)})
    size = os.path.getsize(path)
    os.truncate(path, int(size * kept))
    with pytest.raises(DataError, match=f"{name} is damaged"):
        unpack(path, tmp_path / "out")
    # A file is whole or not there.
    assert "1" not in tree(tmp_path / "out") or kept == 0.9
