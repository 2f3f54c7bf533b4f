"""Reader of annotations in the XML format of Pascal VOC and ILSVRC."""

import dataclasses
from xml.parsers import expat

from adl_tf.datasets.lines import numbers
from adl_tf.errors import DataError
from adl_tf.text_files import read_regular

MAX_BYTES = 64 << 20
CORNERS = ("xmin", "ymin", "xmax", "ymax")
# The elements whose text is read, by their place in the file.
_SIZE = {f"annotation/size/{side}": side for side in ("width", "height")}
_OBJECT = {
    "annotation/object/name": "name",
    **{f"annotation/object/bndbox/{corner}": corner for corner in CORNERS},
}


@dataclasses.dataclass(frozen=True)
class Annotation:
    """Annotation of an image.

    Attributes:
        size: Width and height in pixels, which the boxes refer to.
        names: List of the class names of its n objects, in the file's order.
        boxes: List of n tuples x0, y0, x1, y1.
    """

    size: tuple[int, int]
    names: list[str]
    boxes: list[tuple[float, float, float, float]]


def read_voc(path, source=""):
    """Reads an annotation file.

    Boxes are returned as annotated, even outside the image. Only corners in
    the wrong order, as in some of ILSVRC's files, are swapped. An object
    without a box or a name, an image size of 0 and a number that is not finite
    are errors.

    Args:
        path: XML file, in any encoding that it names.
        source: Where the file comes from, for the message if it is missing.

    Returns:
        `Annotation`.

    Raises:
        DataError: If the file is missing, is not of this format, or declares
            entities, which can expand until the memory is full.
    """
    content = read_regular(path, source, MAX_BYTES)
    parser = expat.ParserCreate()
    reader = _Reader(path, parser)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(f"{path}:{error.lineno}: {reason}") from None
    except (LookupError, ValueError) as error:  # a bad encoding
        raise reader.bad(f"cannot be read: {error}") from None
    return reader.annotation()


class _Reader:
    """Collects the text of the elements that are needed, and their lines."""

    def __init__(self, path, parser):
        self._path = path
        self._parser = parser
        self._open = []
        self._text = None
        self._size = {}
        self._objects = []
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity

    def bad(self, reason, line=None):
        line = line or self._parser.CurrentLineNumber
        return DataError(f"{self._path}:{line}: {reason}")

    def annotation(self):
        if len(self._size) < 2:
            raise self.bad("no width and height of the image")
        size = tuple(
            numbers([text], int, self._of(line, text))[0]
            for text, line in (self._size["width"], self._size["height"])
        )
        if min(size) < 1:
            raise self.bad("an image without pixels", self._size["width"][1])
        names, boxes = [], []
        for line, fields in self._objects:
            missing = {"name", *CORNERS} - set(fields)
            if missing:
                what = " and ".join(sorted(missing))
                raise self.bad(f"an object without {what}", line)
            x0, y0, x1, y1 = (
                numbers([text], float, self._of(line, text))[0]
                for text, line in (fields[corner] for corner in CORNERS)
            )
            names.append(fields["name"][0])
            boxes.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
        return Annotation(size, names, boxes)

    def _of(self, line, text):
        return lambda reason: self.bad(f"{reason}: '{text}'", line)

    def _start(self, name, _):
        if not self._open and name != "annotation":
            raise self.bad(f"<annotation> expected, not <{name}>")
        self._open.append(name)
        self._text = []
        if self._open == ["annotation", "object"]:
            self._objects.append((self._parser.CurrentLineNumber, {}))

    def _characters(self, text):
        if self._text is not None:
            self._text.append(text)

    def _end(self, _):
        # Elements may be nested a million times.
        place = "/".join(self._open) if len(self._open) < 5 else None
        self._open.pop()
        if place in _SIZE:
            self._keep(self._size, _SIZE[place])
        elif place in _OBJECT:
            self._keep(self._objects[-1][1], _OBJECT[place])
        self._text = None

    def _keep(self, fields, name):
        if name in fields:
            raise self.bad(f"{name} given twice")
        text = "".join(self._text or ()).strip()
        fields[name] = (text, self._parser.CurrentLineNumber)

    def _entity(self, *_):
        raise self.bad("it declares entities, which are not allowed")
