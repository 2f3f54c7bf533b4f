"""Predicted classes of a test set: from a network, or from a file."""

import dataclasses
import math

import numpy as np

from adl_tf.errors import DataError
from adl_tf.text_files import is_number, is_whole_number, parse_json, read_text


@dataclasses.dataclass(frozen=True)
class Predictions:
    """The classes that a classifier predicted, one for each image.

    Attributes:
        class_ids: int array `(n,)`.
        probabilities: Float array `(n,)`, those of these classes, or `None`.
        top5: int array `(n, 5)` of the most probable classes (fewer columns
            if there are fewer classes), or `None`.
    """

    class_ids: np.ndarray
    probabilities: np.ndarray | None = None
    top5: np.ndarray | None = None

    @classmethod
    def of(cls, probabilities):
        """Predictions from the probabilities of all classes.

        Args:
            probabilities: Float array `(n, classes)`.

        Returns:
            `Predictions`.
        """
        ranking = np.argsort(-probabilities, axis=1, kind="stable")
        return cls(
            class_ids=ranking[:, 0].copy(),
            probabilities=probabilities.max(axis=1),
            # A copy: the view would keep the whole ranking.
            top5=ranking[:, :5].copy(),
        )

    @classmethod
    def joined(cls, batches):
        """The predictions of several batches, one after the other.

        Args:
            batches: List of what `of` returned.

        Returns:
            `Predictions`.
        """
        return cls(
            *(
                np.concatenate(
                    [getattr(batch, field.name) for batch in batches]
                )
                for field in dataclasses.fields(cls)
            )
        )


def read_predictions(path, examples):
    """Reads the predicted class of every image.

    Args:
        path: JSON lines with `image_id` (or `image`), `class_id` (or
            `predicted`), and perhaps `class_name`, `probability` and `top5`, a
            list of the five most probable classes: what `adl_tf.evaluate`
            writes, or what `adl_tf.predict` writes in the folder that the
            names are relative to. Where there are class names, on the lines
            and in the data set, they decide, not the numbers.
        examples: `Examples` of the test set.

    Returns:
        `Predictions`. A class that the data set does not have has a number
        that the data set does not have.

    Raises:
        DataError: If the file is missing, a line malformed, an image has no
            prediction or two, or no class name is one of the data set's.
    """
    rows, known_names = {}, set()
    text = read_text(path, "--predictions takes JSON lines")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            name, known, prediction = _prediction(line, examples)
        except (DataError, ValueError) as error:
            reason = str(error).removeprefix(":").strip()
            raise DataError(
                f"{path}:{number}: image_id and class_id expected ({reason}): "
                f"'{line.strip()[:80]}'"
            ) from None
        if name in rows:
            raise DataError(f"{path}:{number}: {name} is given twice")
        rows[name] = prediction
        known_names.add(known)
    missing = [name for name in examples.image_ids if name not in rows]
    if missing:
        raise DataError(
            f"{path} says nothing of {len(missing)} of {len(examples)} images, "
            f"such as {missing[0]}"
        )
    if known_names == {False}:
        raise DataError(
            f"{path}: none of its class names is one of the data, such as "
            f"'{examples.class_names[0]}'"
        )
    class_ids, probabilities, top5 = zip(
        *(rows[name] for name in examples.image_ids)
    )
    probabilities = np.array(probabilities)
    widths = {len(each) for each in top5}
    return Predictions(
        class_ids=np.array(class_ids),
        probabilities=None if np.isnan(probabilities).any() else probabilities,
        top5=np.array(top5) if widths == {5} else None,
    )


def _prediction(line, examples):
    """One line.

    Returns:
        Tuple of the name of the image; whether the data set has the name of
        the class, `None` where one has no names; and the class, its probability
        (or NaN) and the top five.
    """
    row = parse_json(line, "")
    name = row.get("image_id", row.get("image"))
    if not isinstance(name, str):
        raise ValueError("an image has a name")
    class_id = _class_id(row.get("class_id", row.get("predicted")))
    known = None
    if isinstance(row.get("class_name"), str) and examples.has_names:
        names = examples.class_names
        known = row["class_name"] in names
        class_id = names.index(row["class_name"]) if known else len(names)
    probability = row.get("probability")
    if probability is None:
        probability = math.nan
    elif not is_number(probability) or not 0 <= probability <= 1:
        raise ValueError("a probability is a number from 0 to 1")
    top5 = row.get("top5") or []
    if not isinstance(top5, list):
        raise ValueError("top5 is a list")
    top5 = [_class_id(each) for each in top5]
    return name, known, (class_id, float(probability), top5)


def _class_id(number):
    # Larger ones have no place in an array of NumPy.
    if not is_whole_number(number) or not -(2**31) <= number < 2**31:
        raise ValueError("a class is a whole number")
    return number
