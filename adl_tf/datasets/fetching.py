"""Downloads that go on where they broke off, and are what they should be.

Ours because archives of several gigabytes need it: neither the download
manager of TFDS nor pooch continues a transfer that broke off.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import os
import urllib.error
import urllib.request

from tqdm import tqdm

from adl_tf.errors import DataError
from adl_tf.files import write_whole

CHUNK = 1 << 20
_BROKEN = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file that others publish.

    Attributes:
        name: What it is called on disk.
        url: Where it is, or, if it has to be got by hand, what checksums name
            it by.
        by_hand: What to do where a program cannot or may not download it.
        registered: Whether only registered people may download it.
    """

    name: str
    url: str
    by_hand: str = ""
    registered: bool = False


@dataclasses.dataclass(frozen=True)
class Checksum:
    """Size in bytes and SHA-256, as hexadecimal digits, of a file."""

    size: int
    sha256: str


def fetch(remote, folder, published, record):
    """Makes sure that a file is there, whole and unchanged.

    A file that is there already, brought by hand perhaps, is checked. Where
    no checksum is published, that of the first file seen is recorded and holds
    from then on.

    Args:
        remote: `RemoteFile`.
        folder: Folder for it.
        published: Dictionary from addresses to their `Checksum`, as
            `read_checksums` returns it.
        record: File of the checksums that are not published, written here.

    Returns:
        Path of the file.

    Raises:
        DataError: If it cannot be had, or is not what it should be. What was
            downloaded so far is kept, and is where the next call goes on.
    """
    path = os.path.join(folder, remote.name)
    recorded = read_checksums(record) if os.path.isfile(record) else {}
    expected = published.get(remote.url) or recorded.get(remote.url)
    os.makedirs(folder, exist_ok=True)
    if os.path.isfile(path):
        found = _check(path, expected, "get it again")
    elif remote.registered:
        raise DataError(f"{path} is missing: {remote.by_hand}")
    else:
        partial = path + ".partial"
        _download(remote, partial, expected)
        try:
            found = _check(partial, expected, "it was removed: start again")
        except DataError:
            _discard(partial)
            raise
        os.replace(partial, path)
        _discard(partial)
    if expected is None:
        print(
            f"{remote.name}: no checksum is published; its SHA-256 "
            f"{found.sha256} is kept in {record}"
        )
        recorded[remote.url] = found
        os.makedirs(os.path.dirname(record), exist_ok=True)
        write_whole(
            record,
            "".join(
                f"{url}\t{each.size}\t{each.sha256}\n"
                for url, each in sorted(recorded.items())
            ),
        )
    return path


def read_checksums(path):
    """Reads a table of checksums in the format of TFDS.

    Args:
        path: Text file of lines `url, size, SHA-256[, name]`, separated by
            tabs.

    Returns:
        Dictionary from addresses to `Checksum`.

    Raises:
        DataError: If a line is malformed.
    """
    checksums = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            fields = line.rstrip("\n").split("\t")
            if len(fields) not in (3, 4) or not fields[1].isdigit():
                raise DataError(
                    f"{path}:{number}: url, size and SHA-256 expected"
                )
            checksums[fields[0]] = Checksum(int(fields[1]), fields[2])
    return checksums


def _check(path, expected, remedy):
    size = os.path.getsize(path)
    if expected is not None and size != expected.size:
        raise DataError(
            f"{path} has {size:,} bytes instead of {expected.size:,}; {remedy}"
        )
    digest = hashlib.sha256()
    with open(path, "rb") as file, _bar(f"checking {path}", size) as bar:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    found = Checksum(size, digest.hexdigest())
    if expected not in (None, found):
        raise DataError(
            f"{path} has SHA-256 {found.sha256} instead of {expected.sha256}; "
            f"{remedy}"
        )
    return found


def _download(remote, partial, expected):
    """Downloads until the file is whole or an attempt brings nothing."""
    while True:
        start = os.path.getsize(partial) if os.path.isfile(partial) else 0
        if expected is not None and start >= expected.size:
            return
        try:
            total = _transfer(remote, partial, start, expected)
        except urllib.error.HTTPError as error:
            # Asked for what follows the last byte, or for more than there is.
            if error.code == 416 and start:
                there = error.headers.get("Content-Range", "")
                if there.endswith(f"/{start}"):
                    return
                _discard(partial)
                continue
            raise DataError(
                f"{remote.url} answers {error.code} {error.reason}"
                f"{_or_by_hand(remote)}"
            ) from error
        except _BROKEN as error:
            total, reason = None, getattr(error, "reason", error)
        else:
            reason = "connection closed"
        size = os.path.getsize(partial) if os.path.isfile(partial) else 0
        if size == total:
            return
        if size <= start:
            raise DataError(
                f"{remote.url} cannot be downloaded ({reason}); {size:,} bytes "
                "are here, and the same command goes on from there"
                f"{_or_by_hand(remote)}"
            )


def _transfer(remote, partial, start, expected):
    """Appends what one answer holds; returns the size of the whole file."""
    headers = {"User-Agent": "adl-tf"}
    version = partial + ".version"
    if start:
        headers["Range"] = f"bytes={start}-"
        if os.path.isfile(version):
            with open(version, encoding="utf-8") as file:
                known = file.read()
            headers |= {"If-Range": known} if known else {}
    request = urllib.request.Request(remote.url, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        if response.headers.get_content_type() == "text/html":
            raise DataError(
                f"{remote.url} answers with a page instead of the file"
                f"{_or_by_hand(remote)}"
            )
        if response.status != 206:
            start = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        if None not in (total, expected) and total != expected.size:
            raise DataError(
                f"{remote.url} has {total:,} bytes instead of "
                f"{expected.size:,}: it was published anew"
            )
        with (
            open(partial, "ab" if start else "wb") as file,
            _bar(remote.name, total, start) as bar,
        ):
            if not start:
                _keep_version(version, response.headers)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            # An answer of unknown length that ends in order is whole.
            return file.tell() if total is None else total


def _keep_version(path, headers):
    """Notes what a server calls its file, to go on with no other."""
    version = headers.get("ETag", "")
    if not version or version.startswith("W/"):
        version = headers.get("Last-Modified", "")
    write_whole(path, version)


def _discard(partial):
    for path in (partial, partial + ".version"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def _or_by_hand(remote):
    return f"; or {remote.by_hand}" if remote.by_hand else ""


def _bar(text, total, initial=0):
    return tqdm(
        desc=text,
        total=total,
        initial=initial,
        unit="B",
        unit_scale=True,
        leave=False,
        disable=None,
    )
