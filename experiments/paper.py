"""The paper's Tables 1 to 3: rows, published figures and claims.

They are read from `published/`: `rows.csv` names the flagfiles in `rows/` and
the system of the paper that each stands for, `figures.csv` has what the paper
reports of these systems, `claims.csv` which of two systems it finds better.
"""

import dataclasses
import os

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


@dataclasses.dataclass(frozen=True)
class Claim:
    """Something that the paper says: one row is above another.

    Attributes:
        text: The claim.
        above: Name of the row that is to be higher.
        below: Name of the row that is to be lower.
        metric: Key of metrics.json.
        points: The paper's difference in points, NaN where it has none.
    """

    text: str
    above: str
    below: str
    metric: str
    points: float


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with the rows that a data set can have.

    Attributes:
        title: Heading.
        note: What the reader has to know of it.
        rows: `pandas.DataFrame` indexed by the names of the flagfiles:
            `network`, `label`, and the paper's `gt_known_loc`, `top1_clas`
            and `top1_loc` in percent, NaN where it has none.
        claims: List of `Claim`.
    """

    title: str
    note: str
    rows: object
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
    is_ours = dataset == "synthetic_birds"
    rows = _read("rows", number)
    rows = rows[(rows.network == "small_cnn") == is_ours]
    figures = _read("figures", number)
    if number == 3:
        figures = figures[figures.dataset == dataset]
    # Figures of no network stand beside the rows of all of them.
    keys = ["network", "system"] if number == 3 else ["system"]
    figures = figures[[*keys, *METRICS]]
    rows = rows.merge(figures, "left", keys).set_index("row")
    title, note = _TITLES[number]
    return Table(title, note, rows, list(_claims(number, rows)))


def _read(name, number):
    import pandas as pd

    frame = pd.read_csv(os.path.join(_FOLDER, f"{name}.csv"))
    return frame[frame.table == number].drop(columns="table")


def _claims(number, rows):
    for network, systems in rows.groupby("network", sort=False):
        names = dict(zip(systems.system, systems.index))
        for claim in _read("claims", number).itertuples():
            if not {claim.above, claim.below} <= names.keys():
                continue
            above, below = names[claim.above], names[claim.below]
            points = rows[claim.metric][above] - rows[claim.metric][below]
            labels = {"above": rows.label[above], "below": rows.label[below]}
            yield Claim(
                f"{network}: {claim.claim.format(**labels)}",
                above,
                below,
                claim.metric,
                points,
            )
