"""One split of a data set: images, labels, boxes and masks."""

import dataclasses
import errno
import os
import re
import stat

import numpy as np

from adl_tf.errors import DataError, UsageError

# Missing images or classes that an error lists; the others are counted.
MAX_NAMED = 5
# No image or mask that can be decoded is larger.
MAX_IMAGE_BYTES = 1 << 30


@dataclasses.dataclass(frozen=True)
class Mask:
    """A mask that is part of a file, or has its own range of values.

    Attributes:
        path: File that holds the encoded mask.
        byte_range: Its first byte there and number of bytes, or `None` for the
            whole file.
        levels: The lowest and the highest stored value that counts.
    """

    path: str
    byte_range: tuple[int, int] | None = None
    levels: tuple[int, int] = (1, 65535)


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images of one split, with labels, boxes and masks.

    Attributes:
        image_ids: List of n names, unique within the split.
        paths: List of n paths of files that hold the encoded images.
        labels: int32 array `(n,)`, class numbers from 0.
        boxes: List of n float32 arrays `(boxes, 4)`: x0, y0, x1, y1 in pixels
            of an image of the size in `sizes`. An array may be empty.
        class_names: List of the names of all classes.
        sizes: int array `(n, 2)` of the width and height that the boxes refer
            to, or `None` where it is the size of the file.
        masks: List of n tuples of masks, whose union is the object, or `None`
            without masks. Each is a `Mask` or the path of a PNG file, whose
            stored values above 0 count.
        ignored: List of n masks of pixels that do not count, empty text where
            all do, or `None`.
        byte_ranges: int64 array `(n, 2)`: the first byte of each image in its
            file and the number of its bytes; or `None` where each image is
            a file of its own.
    """

    image_ids: list[str]
    paths: list[str]
    labels: np.ndarray
    boxes: list[np.ndarray]
    class_names: list[str]
    sizes: np.ndarray | None = None
    masks: list[tuple[str | Mask, ...]] | None = None
    ignored: list[str | Mask] | None = None
    byte_ranges: np.ndarray | None = None

    def __len__(self):
        return len(self.image_ids)

    @property
    def num_classes(self):
        return len(self.class_names)

    @property
    def has_ground_truth(self):
        """Whether there are boxes or masks to score with.

        Single images may have none.
        """
        return self.masks is not None or any(map(len, self.boxes))

    def mask_files(self, place):
        """All masks of an image: its objects', and that of what is ignored.

        Args:
            place: Index of the image.

        Returns:
            List of `Mask` and paths.
        """
        masks = list(self.masks[place]) if self.masks else []
        ignored = self.ignored and self.ignored[place]
        return [*masks, ignored] if ignored else masks

    def of_classes(self, classes):
        """The examples of some classes, relabelled 0, 1, 2, ...

        Args:
            classes: Class numbers from 1, as text: `"1-25"`, `"3,7,10-12"`.

        Returns:
            `Examples`.

        Raises:
            UsageError: If the text is not of that form or names a class that
                does not exist.
        """
        numbers = parse_classes(classes, self.num_classes)
        new_label = {number - 1: new for new, number in enumerate(numbers)}
        kept = [i for i in range(len(self)) if self.labels[i] in new_label]
        return dataclasses.replace(
            self.take(kept),
            labels=np.array(
                [new_label[self.labels[i]] for i in kept], np.int32
            ),
            class_names=[self.class_names[number - 1] for number in numbers],
        )

    @property
    def has_names(self):
        """Whether the classes have names of their own, not only numbers."""
        return self.class_names != [str(n) for n in range(self.num_classes)]

    def relabelled(self, class_names, of, leave_out=False):
        """The examples with the class numbers of another list of names.

        Two splits, or a data set and a trained model, may number the same
        classes differently. Class names decide where both have them; numbers
        are kept where one side has only numbers.

        Args:
            class_names: List of names in whose order classes are to be
                numbered, such as those that a model was trained with.
            of: What these names belong to, for the error: `"the model"`.
            leave_out: Whether examples of other classes are left out, as
                after training on some of the classes, instead of refused.

        Returns:
            `Examples` whose `class_names` are these.

        Raises:
            DataError: If an example is of a class that is not among the
                names, or is there twice.

        Example:

        >>> test.class_names, test.labels
        (['blue', 'red'], array([0, 1], dtype=int32))
        >>> test.relabelled(["red", "blue"], "the training split").labels
        array([1, 0], dtype=int32)
        """
        class_names = list(class_names)
        if class_names == self.class_names:
            return self
        wanted = dataclasses.replace(self, class_names=class_names)
        by_name = self.has_names and wanted.has_names
        new_label = {}
        for label in np.unique(self.labels).tolist():
            name, places = self.class_names[label], [label]
            if by_name:
                places = [
                    n for n, each in enumerate(class_names) if each == name
                ]
            if len(places) > 1:
                raise DataError(
                    f"'{name}' is the name of {len(places)} classes of {of}, "
                    "so the class of an image is not known"
                )
            if places and places[0] < len(class_names):
                new_label[label] = places[0]
            elif not leave_out:
                raise DataError(
                    f"images are of class {label}, '{name}', which is none of "
                    f"the {len(class_names)} classes of {of}: "
                    f"{', '.join(class_names[:MAX_NAMED])}"
                    f"{', ...' if len(class_names) > MAX_NAMED else ''}"
                )
        kept = [i for i in range(len(self)) if self.labels[i] in new_label]
        labels = [new_label[self.labels[i]] for i in kept]
        return dataclasses.replace(
            wanted.take(kept), labels=np.array(labels, np.int32)
        )

    def take(self, indices):
        """Some of the examples.

        Args:
            indices: Sequence of their indices.

        Returns:
            `Examples` of the same classes.
        """

        def taken(values):
            return values and [values[i] for i in indices]

        def rows(array):
            return None if array is None else array[indices]

        return dataclasses.replace(
            self,
            image_ids=taken(self.image_ids),
            paths=taken(self.paths),
            labels=self.labels[indices],
            boxes=taken(self.boxes),
            sizes=rows(self.sizes),
            masks=taken(self.masks),
            ignored=taken(self.ignored),
            byte_ranges=rows(self.byte_ranges),
        )

    def check_files(self, listed_in, source):
        """Raises `DataError` if images are missing.

        Args:
            listed_in: File or folder that names the images, for the message.
            source: Where the data set comes from, for the message.
        """
        missing = [path for path in self.paths if not os.path.isfile(path)]
        if missing:
            more = len(missing) - MAX_NAMED
            raise DataError(
                f"{listed_in}: of its {len(self)} images {len(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} missing: "
                f"{', '.join(missing[:MAX_NAMED])}"
                f"{f' and {more} more' if more > 0 else ''}; {source}"
            )


def read_bytes(path, byte_range=None):
    """The bytes of an image or mask.

    Args:
        path: Regular file that holds it.
        byte_range: Its first byte there and number of bytes, or `None` for the
            whole file.

    Returns:
        Bytes, fewer than asked for where the file ends.

    Raises:
        OSError: If the file cannot be read, is a device or a pipe, which may
            never end, or has more than `MAX_IMAGE_BYTES`.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    with open(path, "rb") as file:
        begin, length = (
            (0, os.path.getsize(path)) if byte_range is None else byte_range
        )
        if length > MAX_IMAGE_BYTES:
            raise OSError(
                errno.EFBIG, f"it has more than {MAX_IMAGE_BYTES:,} bytes", path
            )
        file.seek(begin)
        return file.read(length)


def parse_classes(text, num_classes):
    """Class numbers from text such as `"1-25"` or `"3,7,10-12"`.

    Args:
        text: Numbers and ranges of numbers from 1, separated by commas.
        num_classes: The largest number allowed.

    Returns:
        List of numbers in the order given.

    Raises:
        UsageError: If the text is not of that form, or a number is out of
            range or given twice.

    Example:

    >>> parse_classes("3,7,10-12", 200)
    [3, 7, 10, 11, 12]
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise UsageError(
                f"--classes={text}: '{part}' is neither a number nor a range "
                "such as 1-25"
            )
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= num_classes:
            raise UsageError(
                f"--classes={text}: '{part}' is not within 1-{num_classes} "
                "(classes are counted from 1 here)"
            )
        numbers.extend(range(first, last + 1))
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"--classes={text} names a class twice")
    return numbers
