"""Text files as users' systems and editors write them."""

import json
import os

import pytest

from adl_tf.errors import DataError
from adl_tf.text_files import (
    names_text,
    read_json,
    read_names,
    read_regular,
    read_text,
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "file.txt")


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def refusal(function, path, *arguments):
    with pytest.raises(DataError) as caught:
        function(path, *arguments)
    message = str(caught.value)
    assert path in message
    assert "\n" not in message
    return message


# Line separators of Unicode that end no line here, as they end none in
# editors, in grep and in wc.
NO_ENDS = ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", "\x1d", "\x1e"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n  \n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_names_whatever_wrote_them(path, ending, last, start):
    names = ["robin", *(f"a{each}b" for each in NO_ENDS), "ёж", "wren, small"]
    text = start + "\n".join(names) + last
    write(path, text.replace("\n", ending).encode())
    assert read_names(path) == names
    assert read_names(path, len(names)) == names


@pytest.mark.parametrize("name", [f"a{each}b" for each in NO_ENDS])
def test_names_come_back(path, name):
    names = ["first", name, "last"]
    write(path, names_text(names).encode())
    assert read_names(path, 3) == names


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\rb", "a\0b", "\n"])
def test_a_name_that_is_no_line_is_not_written(name):
    with pytest.raises(DataError, match="the name of class 1, .* is not a"):
        names_text(["first", name])


def test_an_empty_line_between_names_is_refused(path):
    write(path, b"a\n\nb\n")
    assert f"{path}:2: an empty line where" in refusal(read_names, path)


@pytest.mark.parametrize("count", [1, 3])
def test_another_count_is_refused(path, count):
    write(path, b"a\nb\n")
    assert f"2 names for {count} class" in refusal(read_names, path, count)


@pytest.mark.parametrize("codec", ["latin-1", "utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_named(path, codec):
    write(path, "moineau\nrossignol d'été".encode(codec))
    assert "is not a text file in UTF-8" in refusal(read_text, path)


def test_only_regular_files_are_read(path, tmp_path):
    assert "no file" in refusal(read_text, path)
    os.mkfifo(path)
    assert "is not a regular file" in refusal(read_text, path)
    assert "is not a regular file" in refusal(read_text, str(tmp_path))
    link = str(tmp_path / "endless")
    os.symlink("/dev/zero", link)
    assert "is not a regular file" in refusal(read_text, link)


def test_a_file_of_a_terabyte_is_not_read(path):
    write(path, b"")
    os.truncate(path, 1 << 40)
    assert "has more than" in refusal(read_regular, path)
    assert "more than 3 bytes" in refusal(read_regular, path, "", 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 1}', "the key 'a' is given twice"),
        ('{"a": [{"b": 1, "c": 2, "b": 3}]}', "the key 'b' is given twice"),
        ('{"a": NaN}', ": a is not a finite number"),
        ('{"a": [1, {"b": -Infinity}]}', ": a[1]: b is not a finite number"),
        ('{"a": 1e999}', ": a is not a finite number"),
        ("NaN", ": is not a finite number"),
        ("[]", "an object in braces"),
        ('{"a": 1\n', ":2: "),
        ("", ":1: "),
        ("[" * 100_000, "brackets in too many"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_json_is_read_strictly(path, text, reason):
    write(path, text.encode())
    assert reason in refusal(read_json, path)


def test_json_is_read(path):
    content = {"a": [1, 2.5, None, True, {"b": "\u2028"}], "c": {}}
    for text in (json.dumps(content), json.dumps(content, ensure_ascii=False)):
        write(path, text.encode())
        assert read_json(path) == content
