"""Downloads from a server that fails in the usual ways."""

import dataclasses
import hashlib

import numpy as np
import pytest

from adl_tf.datasets.fetching import (
    Checksum,
    RemoteFile,
    fetch,
    read_checksums,
)
from adl_tf.errors import DataError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SUM = Checksum(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def remote(publisher):
    # As large files are: the address given leads to another.
    publisher.moved["/latest/birds.tar"] = "/birds.tar"
    publisher.files["/birds.tar"] = CONTENT
    return RemoteFile("birds.tar", f"{publisher.url}/latest/birds.tar")


@pytest.fixture
def get(remote, tmp_path):
    """Function that fetches with the right checksum or that of `changes`."""

    def call(published=SUM, remote=remote):
        known = {remote.url: published} if published else {}
        folder, record = tmp_path / "archives", tmp_path / "sums.tsv"
        return fetch(remote, str(folder), known, str(record))

    return call


def refusal(get, **changes):
    with pytest.raises(DataError) as caught:
        get(**changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "archives").iterdir())


def test_downloads_once(get, publisher, tmp_path):
    for _ in range(2):
        with open(get(), "rb") as file:
            assert file.read() == CONTENT
    assert publisher.requests == [("/birds.tar", 0)]
    assert names(tmp_path) == ["birds.tar"]
    assert not (tmp_path / "sums.tsv").exists()


def test_goes_on_within_a_call_and_in_the_next(get, publisher, tmp_path):
    # Brings a million bytes, then nothing: gives up, and says what is here.
    publisher.breaks["/birds.tar"] = [1_000_000, 0]
    message = refusal(get)
    assert "1,000,000 bytes are here" in message
    assert "same command" in message
    assert (tmp_path / "archives" / "birds.tar.partial").exists()
    # As long as every attempt brings something, the call goes on.
    publisher.breaks["/birds.tar"] = [500_000, 700_000]
    with open(get(), "rb") as file:
        assert file.read() == CONTENT
    starts = [start for _, start in publisher.requests]
    assert starts == [0, 1_000_000, 1_000_000, 1_500_000, 2_200_000]
    assert names(tmp_path) == ["birds.tar"]


def test_a_file_that_changed_meanwhile_is_not_mixed(get, publisher, tmp_path):
    # Nothing else would tell: no checksum is published.
    publisher.breaks["/birds.tar"] = [1_000_000, 0]
    refusal(get, published=None)
    assert names(tmp_path) == ["birds.tar.partial", "birds.tar.partial.version"]
    publisher.files["/birds.tar"] = CONTENT[::-1]
    with open(get(published=None), "rb") as file:
        assert file.read() == CONTENT[::-1]
    assert names(tmp_path) == ["birds.tar"]


@pytest.mark.parametrize(
    "part",
    ["bytes 0-2999999/3000000", "bytes 999999-2999999/3000000", "no", ""],
)
@pytest.mark.parametrize("published", [SUM, None])
def test_another_part_than_asked_for_is_not_appended(
    get, publisher, part, published
):
    # Without a published checksum that of the mixture would be the truth.
    publisher.breaks["/birds.tar"] = [1_000_000, 5]
    publisher.parts["/birds.tar"] = part
    with open(get(published=published), "rb") as file:
        assert file.read() == CONTENT
    starts = [start for _, start in publisher.requests]
    assert starts == [0, 1_000_000, 0]


@pytest.mark.parametrize("published", [SUM, None])
def test_an_endless_answer_ends_at_the_limit(
    remote, get, publisher, tmp_path, published
):
    publisher.endless.add("/birds.tar")
    limited = dataclasses.replace(remote, limit=5_000_000)
    message = refusal(get, published=published, remote=limited)
    limit = 3_000_000 if published else 5_000_000
    assert f"sends more than {limit:,} bytes" in message
    assert names(tmp_path) == []
    assert not (tmp_path / "sums.tsv").exists()


def test_an_announced_size_beyond_the_limit(remote, get, publisher, tmp_path):
    limited = dataclasses.replace(remote, limit=2_999_999)
    message = refusal(get, published=None, remote=limited)
    assert "3,000,000 bytes instead of at most 2,999,999" in message
    assert names(tmp_path) == []


def test_a_busy_server_is_asked_again(get, publisher):
    publisher.busy["/birds.tar"] = [503, 429]
    with open(get(), "rb") as file:
        assert file.read() == CONTENT


def test_a_server_without_ranges_starts_anew(get, publisher):
    publisher.with_ranges = False
    publisher.breaks["/birds.tar"] = [1_000_000]
    with open(get(), "rb") as file:
        assert file.read() == CONTENT


def test_a_whole_file_that_was_not_renamed(get, publisher, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "birds.tar.partial").write_bytes(CONTENT)
    get(published=None)
    assert publisher.requests == [("/birds.tar", len(CONTENT))]
    assert names(tmp_path) == ["birds.tar"]


def test_more_than_the_file_has_starts_anew(get, publisher, tmp_path):
    (tmp_path / "archives").mkdir()
    partial = tmp_path / "archives" / "birds.tar.partial"
    partial.write_bytes(CONTENT + b"!")
    with open(get(published=None), "rb") as file:
        assert file.read() == CONTENT


def test_a_wrong_checksum_is_refused_and_downloaded_again(
    get, publisher, tmp_path
):
    publisher.files["/birds.tar"] = CONTENT[:-1] + b"!"
    message = refusal(get)
    assert f"instead of {SUM.sha256}" in message
    assert names(tmp_path) == []
    publisher.files["/birds.tar"] = CONTENT
    get()


def test_a_wrong_size_is_refused_before_the_download(get, publisher, tmp_path):
    publisher.files["/birds.tar"] = CONTENT[:-5]
    assert "2,999,995 bytes instead of 3,000,000" in refusal(get)
    assert names(tmp_path) == []


def test_without_a_published_checksum_the_first_holds(get, tmp_path, capsys):
    path = get(published=None)
    (sums,) = read_checksums(tmp_path / "sums.tsv").values()
    assert sums == SUM
    assert "no checksum is published" in capsys.readouterr().out
    get(published=None)
    assert not capsys.readouterr().out
    # Not removed: somebody may have brought it by hand.
    with open(path, "r+b") as file:
        file.write(b"?")
    assert f"instead of {SUM.sha256}" in refusal(get, published=None)
    assert names(tmp_path) == ["birds.tar"]


def test_a_page_instead_of_the_file_says_what_to_do(remote, get, publisher):
    publisher.pages.add("/birds.tar")
    by_hand = RemoteFile(remote.name, remote.url, by_hand="use a browser")
    message = refusal(get, remote=by_hand)
    assert "a page instead of the file; or use a browser" in message


def test_a_file_for_the_registered_is_never_asked_for(
    remote, get, publisher, tmp_path
):
    registered = RemoteFile(
        remote.name, remote.url, by_hand="register", registered=True
    )
    message = refusal(get, remote=registered)
    assert str(tmp_path / "archives" / "birds.tar") in message
    assert "register" in message
    (tmp_path / "archives" / "birds.tar").write_bytes(CONTENT[:-1])
    assert "2,999,999 bytes instead of" in refusal(get, remote=registered)
    (tmp_path / "archives" / "birds.tar").write_bytes(CONTENT)
    get(remote=registered)
    assert not publisher.requests


@pytest.mark.parametrize("url", ["/none.tar", None])
def test_what_could_not_be_downloaded(get, publisher, url):
    # Port 9 refuses.
    address = "http://127.0.0.1:9/none.tar" if url is None else publisher.url
    message = refusal(
        get, published=None, remote=RemoteFile("none.tar", f"{address}{url}")
    )
    expected = "could not be downloaded" if url is None else "404"
    assert expected in message


def test_a_malformed_table_is_named(tmp_path):
    (tmp_path / "sums.tsv").write_text("http://a\tmany\t00\n")
    with pytest.raises(DataError, match="sums.tsv:1: url, size and SHA-256"):
        read_checksums(tmp_path / "sums.tsv")
