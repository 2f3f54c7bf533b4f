"""Archives onto disk: nothing outside the target, nothing half-written."""

import os
import shutil
import stat
import tarfile
import zipfile
import zlib

from tqdm import tqdm

from adl_tf.errors import DataError


def unpack(path, target, inner=""):
    """Writes the files of an archive, those that are not there already.

    Links and devices are passed over. Tar files within a tar file are
    unpacked, too, each into a folder of its name, as ImageNet's need.

    Args:
        path: Tar file, compressed or not, or zip file (`.zip`).
        target: Folder to write to; files in it with the same name and size
            are left as they are.
        inner: Folder of the archive to take; its name is left out.

    Raises:
        DataError: If the archive is damaged, or a name in it leads out of the
            target: nothing of that name is written.
    """
    with tqdm(
        desc=f"unpacking {path}", unit=" files", leave=False, disable=None
    ) as bar:
        try:
            if path.endswith(".zip"):
                members = _zip_members(path)
            else:
                members = _tar_members(path)
            for name, size, source in members:
                place = _place(name, inner, path)
                if place is not None:
                    _write(source, size, os.path.join(target, place))
                    bar.update()
        except (
            tarfile.TarError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
        ) as error:
            raise DataError(
                f"{path} is damaged ({error}); remove it and start again"
            ) from error


def _zip_members(path):
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir() and not stat.S_ISLNK(
                member.external_attr >> 16
            ):
                with archive.open(member) as source:
                    yield member.filename, member.file_size, source


def _tar_members(path, file=None, folder=""):
    with tarfile.open(path, fileobj=file) as archive:
        for member in archive:
            if not member.isfile():
                continue
            name, source = folder + member.name, archive.extractfile(member)
            if name.endswith(".tar"):
                inner = f"{name.removesuffix('.tar')}/"
                yield from _tar_members(None, source, inner)
            else:
                yield name, member.size, source


def _place(name, inner, archive):
    """The path below the target, or `None` for what is not to be taken."""
    slashes = name.replace("\\", "/")
    parts = [part for part in slashes.split("/") if part not in ("", ".")]
    absolute = slashes.startswith("/") or os.path.splitdrive(slashes)[0]
    if absolute or ".." in parts:
        raise DataError(
            f"{archive} holds {name}, which leads out of the folder; it is "
            "not the published archive: remove it"
        )
    if inner:
        if parts[:1] != [inner]:
            return None
        parts = parts[1:]
    return os.path.join(*parts) if parts else None


def _write(source, size, path):
    if os.path.isfile(path) and os.path.getsize(path) == size:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    partial = path + ".partial"
    with open(partial, "wb") as file:
        shutil.copyfileobj(source, file)
    os.replace(partial, path)
