"""Unpacking of archives that may be damaged or malicious."""

import gzip
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib

from tqdm import tqdm

from adl_tf.errors import DataError
from adl_tf.files import written_whole

CHUNK = 1 << 20
# Images are compressed already, so an archive of them hardly grows.
MAX_GROWTH = 4
MAX_BYTES_OF_SMALL = 64 << 20
# What Python's readers raise on damaged archives.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    ValueError,
)


def unpack(path, target, inner=""):
    """Writes the files of an archive, those that are not there already.

    Links and devices are passed over. Tar files within a tar file are
    unpacked too, each into a folder of its name, as ImageNet's need.

    Args:
        path: Tar file (`.tar`, `.tar.gz` or `.tgz`) or zip file (`.zip`).
        target: Folder to write to. Files in it with the same name and size
            are left as they are.
        inner: Folder of the archive to take; its name is left out.

    Raises:
        DataError: If the archive is damaged, encrypted or would fill the
            disk, or a file would be written outside the target, by its name
            or by a link that is there.
    """
    limit = MAX_BYTES_OF_SMALL + MAX_GROWTH * os.path.getsize(path)
    read = _zip_members if path.endswith(".zip") else _tar_members
    with tqdm(
        desc=f"unpacking {path}", unit=" files", leave=False, disable=None
    ) as bar:
        try:
            if path.endswith("gz"):
                _check_gzip(path, limit)
            for name, size, source in read(path):
                limit -= size
                if limit < 0:
                    raise _too_large(path)
                place = _place(name, inner, path, target)
                if place is not None:
                    _write(source, size, os.path.join(target, place))
                    bar.update()
        except (*_DAMAGED, OSError) as error:
            if getattr(error, "filename", None):  # of the disk
                raise
            raise DataError(
                f"{path} is damaged ({error}); remove it and start again"
            ) from error


def _too_large(path):
    return DataError(
        f"{path} holds far more than its own size; it is not the published "
        "archive: remove it"
    )


def _check_gzip(path, limit):
    """Reads all before any of it is written: the checksum is at the end."""
    with gzip.open(path) as file:
        while chunk := file.read(CHUNK):
            limit -= len(chunk)
            if limit < 0:
                raise _too_large(path)


def _zip_members(path):
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            mode = member.external_attr >> 16
            if member.is_dir() or stat.S_ISLNK(mode):
                continue
            stored = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if member.flag_bits & 1 or member.compress_type not in stored:
                raise DataError(
                    f"{path} holds {member.filename}, which is encrypted or "
                    "compressed in an uncommon way; it is not the published "
                    "archive: remove it"
                )
            with archive.open(member) as source:
                yield member.filename, member.file_size, source


def _tar_members(path, file=None, folder=""):
    mode = "r:gz" if path.endswith("gz") and not folder else "r:"
    with tarfile.open(path, mode, fileobj=file) as archive:
        for member in archive:
            if not member.isfile():
                continue
            name, source = folder + member.name, archive.extractfile(member)
            if name.endswith(".tar") and not folder:
                inner = f"{name.removesuffix('.tar')}/"
                yield from _tar_members(path, source, inner)
            else:
                yield name, member.size, source
        _check_end(archive)


def _check_end(archive):
    """Raises `ReadError` unless a tar file ends here, in zeros.

    Python takes a damaged header for the end.
    """
    archive.fileobj.seek(archive.offset)
    block = archive.fileobj.read(tarfile.BLOCKSIZE)
    is_end = block == bytes(tarfile.BLOCKSIZE)
    while is_end and (chunk := archive.fileobj.read(CHUNK)):
        is_end = not any(chunk)
    if not is_end:
        raise tarfile.ReadError(f"no header at byte {archive.offset:,}")


def _place(name, inner, archive, target):
    """The path below the target, or `None` for what is not to be taken."""
    slashes = name.replace("\\", "/")
    parts = [part for part in slashes.split("/") if part not in ("", ".")]
    if not parts:
        raise tarfile.ReadError("a file without a name")
    absolute = slashes.startswith("/") or os.path.splitdrive(slashes)[0]
    if inner and not absolute:
        if parts[:1] != [inner]:
            return None
        parts = parts[1:]
    place = "/".join(parts)
    try:
        if absolute or ".." in parts:
            raise tarfile.FilterError
        if place:
            tarfile.data_filter(tarfile.TarInfo(place), target)
    except tarfile.FilterError:
        raise DataError(
            f"{archive} holds {name}, which leads out of the folder "
            f"{target}; nothing is written there"
        ) from None
    return place or None


def _write(source, size, path):
    if os.path.isfile(path) and os.path.getsize(path) == size:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with written_whole(path) as partial, open(partial, "wb") as file:
        shutil.copyfileobj(source, file)
