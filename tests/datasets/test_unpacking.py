"""Archives, good, damaged and malicious."""

import gzip
import io
import os
import random
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


def test_a_wrong_checksum_is_found_before_anything_is_written(tmp_path):
    # Random bytes are stored as they are: damage shows in the checksum alone.
    path = tmp_path / "a.tgz"
    write_tar(path, {"1": random.Random(0).randbytes(100_000), "2": b"two"})
    content = bytearray(path.read_bytes())
    content[50_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="a.tgz is damaged .CRC check failed"):
        unpack(str(path), tmp_path / "out")
    assert tree(tmp_path) == {"a.tgz": bytes(content)}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("header", [b"?" * 512, bytes(512), b""])
def test_a_damaged_header_is_not_the_end(tmp_path, mode, header):
    whole = tmp_path / "whole.tar"
    write_tar(whole, {"1": b"one", "2": b"two"}, "w")
    content = whole.read_bytes()
    # Each file is a block of header and one of content.
    content = content[:1024] + (header + content[1536:] if header else header)
    path = tmp_path / ("a.tar" if mode == "w" else "a.tgz")
    path.write_bytes(content if mode == "w" else gzip.compress(content))
    with pytest.raises(DataError, match="is damaged"):
        unpack(str(path), tmp_path / "out")


def bomb(path, size):
    zeros = bytes(size)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("1", zeros)
    else:
        write_tar(path, {"1": zeros})
    return str(path)


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_a_bomb_is_refused(tmp_path, name):
    path = bomb(tmp_path / name, 100 << 20)
    assert os.path.getsize(path) < 1 << 20
    with pytest.raises(DataError, match="holds far more than its own size"):
        unpack(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_compresses_well_is_unpacked(tmp_path):
    path = bomb(tmp_path / "a.zip", 10 << 20)
    unpack(path, tmp_path / "out")
    assert (tmp_path / "out" / "1").stat().st_size == 10 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_uncommon_methods_of_zip_are_named(tmp_path, method):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("1.jpg", b"one")
    with pytest.raises(DataError, match="holds 1.jpg, which is encrypted or"):
        unpack(str(path), tmp_path / "out")


@pytest.mark.parametrize("place", [6, 8])  # flags: encrypted; method: 99
def test_encrypted_zip_files_are_named(tmp_path, place):
    path = tmp_path / "a.zip"
    write_zip(path, {"1.jpg": b"one"})
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\1\2")
    content[place] = content[central + place + 2] = 1 if place == 6 else 99
    path.write_bytes(content)
    with pytest.raises(DataError, match="holds 1.jpg, which is encrypted or"):
        unpack(str(path), tmp_path / "out")


@pytest.mark.parametrize(
    ("write", "name"), [(write_tar, "a.tgz"), (write_zip, "a.zip")]
)
@pytest.mark.parametrize("link", ["sub", "sub/1.jpg"])
def test_a_link_that_is_there_is_not_followed(tmp_path, write, name, link):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "1.jpg").write_bytes(b"the user's")
    place = tmp_path / "out" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(outside / "1.jpg" if "/" in link else outside)
    archive = write(tmp_path / name, {"sub/1.jpg": b"one"})
    with pytest.raises(DataError, match="sub/1.jpg, which leads out"):
        unpack(archive, tmp_path / "out")
    assert tree(outside) == {"1.jpg": b"the user's"}


def test_the_target_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    unpack(write_zip(tmp_path / "a.zip", {"1": b"one"}), tmp_path / "out")
    assert tree(tmp_path / "disk") == {"1": b"one"}
