"""The paper's Tables 1 to 3: rows, published figures and claims.

They are read from `published/`: `rows.csv` names the flagfiles in `rows/` and
the system of the paper that each stands for, `figures.csv` has what the paper
reports of these systems, `claims.csv` which of two systems it finds better.
"""

import os
import typing

from experiments.records import METRICS

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "published")
_ANALOGUE = (
    "The paper has this table on VGG-GAP and CUB; its figures stand beside the "
    "same row of other networks and data."
)
_TITLES = {
    1: (
        "Table 1: drop mask / importance map, in percent of the steps",
        _ANALOGUE,
    ),
    2: ("Table 2: positions of ADL, one more in each row", _ANALOGUE),
    3: (
        "Table 3: methods and networks",
        "HaS-32 and HaS-16 are Hide-and-Seek with patches of so many pixels. "
        "The paper quotes some figures from the papers of these methods.",
    ),
}


class Claim(typing.NamedTuple):
    """One row is above another; `points` is the published difference or NaN."""

    text: str
    above: str
    below: str
    metric: str
    points: float = float("nan")


class Table(typing.NamedTuple):
    """A table: `rows` is a frame indexed by the names of the rows.

    Its columns are `label` and, where there are some, `network` and the
    published `top1_clas`, `gt_known_loc` and `top1_loc` in percent, or NaN.
    """

    title: str
    note: str
    rows: typing.Any
    claims: list


def paper_table(number, dataset):
    """A table of the paper.

    Args:
        number: 1, 2 or 3.
        dataset: Value of --dataset. `"synthetic_birds"` has the network of
            the quick start, all others have the paper's.

    Returns:
        `Table`.
    """
    rows = _read("rows", number)
    is_ours = dataset == "synthetic_birds"
    rows = rows[(rows.network == "small_cnn") == is_ours]
    figures = _read("figures", number)
    # Figures without a network stand beside the rows of all of them.
    keys = ["system"]
    if number == 3:
        keys = ["network", "system"]
        figures = figures[figures.dataset == dataset]
    figures = figures[[*keys, *METRICS]]
    rows = rows.merge(figures, "left", keys).set_index("row")
    return Table(*_TITLES[number], rows, list(_claims(number, rows)))


def _read(name, number):
    import pandas as pd

    frame = pd.read_csv(os.path.join(_FOLDER, f"{name}.csv"))
    return frame[frame.table == number].drop(columns="table")


def _claims(number, rows):
    for network, systems in rows.groupby("network", sort=False):
        names = dict(zip(systems.system, systems.index))
        for _, text, *pair, metric in _read("claims", number).itertuples():
            if set(pair) <= names.keys():
                above, below = (names[system] for system in pair)
                points = rows[metric][above] - rows[metric][below]
                text = text.format(
                    above=rows.label[above], below=rows.label[below]
                )
                yield Claim(f"{network}: {text}", above, below, metric, points)
