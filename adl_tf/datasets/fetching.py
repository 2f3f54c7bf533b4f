"""Downloads that resume, checked against sizes and checksums.

Transfers, their retries and certificates are those of `requests`. Resuming is
ours: neither the download manager of TFDS nor pooch does it, and both replace
a file that is there and has another checksum.
"""

import contextlib
import dataclasses
import hashlib
import os
import re

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm

from adl_tf.errors import DataError
from adl_tf.files import write_whole

CHUNK = 1 << 20
RETRIES = urllib3.Retry(
    connect=3,
    read=0,  # what broke off is resumed instead
    status=3,
    backoff_factor=0.3,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,
)
# Bytes as they are published, not compressed for the transfer.
HEADERS = {"User-Agent": "adl-tf", "Accept-Encoding": "identity"}
TIMEOUT = 60  # seconds without a byte
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError)


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A published file.

    Attributes:
        name: Its name on disk.
        url: Its address, by which tables of checksums name it.
        by_hand: What to do where a program cannot or may not download it.
        registered: Whether only registered users may download it.
        limit: Largest size in bytes, where no checksum is known.
    """

    name: str
    url: str
    by_hand: str = ""
    registered: bool = False
    limit: int = 16 << 30

    def bad(self, reason):
        """The error of a download that failed."""
        remedy = f"; or {self.by_hand}" if self.by_hand else ""
        return DataError(f"{self.url} {reason}{remedy}")


@dataclasses.dataclass(frozen=True)
class Checksum:
    """Size in bytes and SHA-256, as hexadecimal digits, of a file."""

    size: int
    sha256: str


def fetch(remote, folder, published, record):
    """Downloads a file, unless it is there, and checks it.

    Where no checksum is published, that of the first file seen is recorded
    and holds from then on.

    Args:
        remote: `RemoteFile`.
        folder: Folder for it.
        published: Dictionary from addresses to their `Checksum`, as
            `read_checksums` returns it.
        record: Table of the checksums that are not published, written here.

    Returns:
        Path of the file.

    Raises:
        DataError: If it could not be downloaded, or is not the published
            file. The next call resumes from the bytes downloaded so far. A
            file that was there already is never removed.
    """
    path = os.path.join(folder, remote.name)
    recorded = read_checksums(record) if os.path.isfile(record) else {}
    target = published.get(remote.url) or recorded.get(remote.url)
    os.makedirs(folder, exist_ok=True)
    if os.path.isfile(path):
        found = _check(path, target, "download it again")
    elif remote.registered:
        raise DataError(f"{path} is missing: {remote.by_hand}")
    else:
        partial = path + ".partial"
        with _session() as session:
            _download(session, remote, partial, target)
        try:
            found = _check(partial, target, "it was removed: start again")
        except DataError:
            _discard(partial)
            raise
        os.replace(partial, path)
        _discard(partial)
    if target is None:
        print(
            f"{remote.name}: no checksum is published; its SHA-256 "
            f"{found.sha256} is recorded in {record}"
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


def _check(path, target, remedy):
    size = os.path.getsize(path)
    if target is not None and size != target.size:
        raise DataError(
            f"{path} has {size:,} bytes instead of {target.size:,}; {remedy}"
        )
    digest = hashlib.sha256()
    with open(path, "rb") as file, _bar(f"checking {path}", size) as bar:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    found = Checksum(size, digest.hexdigest())
    if target not in (None, found):
        raise DataError(
            f"{path} has SHA-256 {found.sha256} instead of {target.sha256}; "
            f"{remedy}"
        )
    return found


def _session():
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
    return session


def _download(session, remote, partial, target):
    """Transfers until the file is whole or an attempt brings nothing."""
    start, reason = -1, "connection closed"
    while (size := _size(partial)) > start:
        start = size
        if target is not None and size >= target.size:
            return
        try:
            if _transfer(session, remote, partial, start, target):
                return
        except _BROKEN as error:
            reason = error
            while reason.__context__:  # what the libraries wrapped
                reason = reason.__context__
    raise remote.bad(
        f"could not be downloaded ({reason}); {size:,} bytes are here, and "
        "the same command resumes there"
    )


def _transfer(session, remote, partial, start, target):
    """Appends a response to `partial`; returns whether the file is whole."""
    headers = dict(HEADERS)
    if start:
        headers["Range"] = f"bytes={start}-"
        headers |= _same_version(partial)
    with session.get(
        remote.url, headers=headers, stream=True, timeout=TIMEOUT
    ) as response:
        begin, total = _part(remote, response)
        if response.status_code == 416 and total == start > 0:
            return True
        if begin not in (0, start):  # another range: get the whole file
            _discard(partial)
            return _transfer(session, remote, partial, 0, target)
        limit = remote.limit if target is None else target.size
        if total is not None and total != limit and (target or total > limit):
            most = "" if target else "at most "
            raise remote.bad(f"has {total:,} bytes instead of {most}{limit:,}")
        with (
            open(partial, "ab" if begin else "wb") as file,
            _bar(remote.name, total, begin) as bar,
        ):
            if not begin:
                _keep_version(partial, response.headers)
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                if file.tell() + len(chunk) > limit:
                    _discard(partial)
                    raise remote.bad(f"sends more than {limit:,} bytes")
                file.write(chunk)
                bar.update(len(chunk))
            # A response of unknown length that ends normally is whole.
            return file.tell() == total or total is None


def _part(remote, response):
    """First byte of a response and size of the file, `None` if unknown."""
    status, headers = response.status_code, response.headers
    if status in (206, 416):
        if "Range" not in response.request.headers:
            raise remote.bad("answers with a part that was not asked for")
        part = headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes ([1-9]\d*-\d+|\*)/(\d+)", part)
        begin, total = match.groups() if match else ("*", "")
    elif status != 200:
        raise remote.bad(f"answers {status} {response.reason}")
    elif headers.get("Content-Type", "").startswith("text/html"):
        raise remote.bad("answers with a page instead of the file")
    else:
        begin, total = "0", headers.get("Content-Length", "")
    return (
        int(text) if re.fullmatch("[0-9]{1,18}", text) else None
        for text in (begin.partition("-")[0], total)
    )


def _same_version(partial):
    """Headers that ask for the rest of a file unless it has changed."""
    with contextlib.suppress(FileNotFoundError):
        with open(partial + ".version", encoding="utf-8") as file:
            if version := file.read():
                return {"If-Range": version}
    return {}


def _keep_version(partial, headers):
    """Keeps the server's name of a version, so that versions do not mix."""
    version = headers.get("ETag", "")
    if not version or version.startswith("W/"):
        version = headers.get("Last-Modified", "")
    write_whole(partial + ".version", version)


def _size(path):
    return os.path.getsize(path) if os.path.isfile(path) else 0


def _discard(partial):
    for path in (partial, partial + ".version"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


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
