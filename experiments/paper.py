"""The paper's Tables 1 to 3: their rows, figures and claims.

Rows are named after their flagfiles in `rows/`. Figures are GT-known Loc, Top-1
Clas and Top-1 Loc in percent, on all 200 classes of CUB-200-2011, with VGG-GAP
in Tables 1 and 2; Table 3 has no GT-known Loc, and ImageNet-1k besides.
"""

import dataclasses

COLUMNS = ("GT-known Loc", "Top-1 Clas", "Top-1 Loc")
# Values of --method as their authors write them.
METHOD_NAMES = {
    "cam": "CAM",
    "has": "HaS",
    "acol": "ACoL",
    "spg": "SPG",
    "adl": "ADL",
    "cutmix": "CutMix",
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        name: Name of its flagfile.
        label: What it is, as text.
        published: The paper's figures, in the order of `COLUMNS`; `None`
            where it has none.
    """

    name: str
    label: str
    published: tuple = (None, None, None)


@dataclasses.dataclass(frozen=True)
class Claim:
    """Something that the paper says: one row is above another.

    Attributes:
        text: The claim.
        above: Name of the row that is to be higher.
        below: Name of the row that is to be lower.
        metric: Of `COLUMNS`.
    """

    text: str
    above: str
    below: str
    metric: str = "Top-1 Loc"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with the rows that a data set can have.

    Attributes:
        title: Heading.
        rows: Tuple of `Row`.
        claims: Tuple of `Claim`.
        note: What the reader has to know of it.
    """

    title: str
    rows: tuple
    claims: tuple
    note: str


# Drop mask and importance map in percent of the steps.
_RATES = {
    "none": ("no ADL", (51.09, 67.55, 34.41)),
    "drop100": ("100 / 0", (72.43, 57.37, 44.11)),
    "full": ("75 / 25", (74.78, 62.25, 49.69)),
    "drop50": ("50 / 50", (71.51, 64.93, 49.33)),
    "drop25": ("25 / 75", (67.29, 68.99, 47.98)),
    "drop0": ("0 / 100", (47.51, 67.78, 32.24)),
    "drop75_only": ("75 / no map", (73.23, 61.55, 47.67)),
    "importance25_only": ("no mask / 25", (50.62, 68.50, 33.91)),
}
_RATE_CLAIMS = (
    ("drop mask alone: better boxes", "drop75_only", "none", "GT-known Loc"),
    ("drop mask alone: worse classifier", "none", "drop75_only", "Top-1 Clas"),
    (
        "importance map alone: better classifier",
        "importance25_only",
        "none",
        "Top-1 Clas",
    ),
    (
        "importance map alone: worse boxes",
        "none",
        "importance25_only",
        "GT-known Loc",
    ),
    ("both are better than none", "full", "none"),
    ("both are better than the drop mask alone", "full", "drop75_only"),
    ("dropping always hurts the classifier", "full", "drop100", "Top-1 Clas"),
    ("75 % is better than 100 %", "full", "drop100"),
    ("75 % is better than 25 %", "full", "drop25"),
)
# ADL after so many places, from the last one down.
_LADDER = (
    ("none", (51.09, 67.55, 34.41)),
    ("conv5-3", (57.99, 68.95, 41.73)),
    ("+ pool4", (68.22, 67.17, 48.02)),
    ("+ pool3", (75.41, 65.27, 52.36)),
    ("+ pool2", (71.85, 63.76, 48.46)),
    ("+ pool1", (74.78, 62.25, 49.69)),
)
# The same places in each network, from none down, and their flagfiles.
_RUNGS = {
    "vgg_gap": (
        ("cam", "no ADL"),
        ("conv5_3", "conv5-3"),
        ("pool4", "+ pool4"),
        ("adl", "+ pool3"),
        ("pool2", "+ pool2"),
        ("pool1", "+ pool1"),
    ),
    "mobilenet_v1": (
        ("cam", "no ADL"),
        ("adl", "conv_pw_13"),
        ("pw12", "+ conv_pw_12"),
        ("pw6", "+ conv_pw_6"),
        ("pw4", "+ conv_pw_4"),
        ("pw2", "+ conv_pw_2"),
    ),
    "small_cnn": (
        ("cam", "no ADL"),
        ("adl", "conv4"),
        ("conv3", "+ conv3"),
        ("conv2", "+ conv2"),
        ("conv1", "+ conv1"),
    ),
}
# The system in which the rates are varied: all places for VGG-GAP, as in the
# paper, and elsewhere those where ADL is by default.
_FULL = {"vgg_gap": "pool1", "mobilenet_v1": "adl", "small_cnn": "adl"}
_CUB = (
    ("vgg_gap_cam", "CAM", (None, 67.55, 34.41)),
    ("vgg_gap_acol", "ACoL (quoted)", (None, 71.90, 45.92)),
    ("vgg_gap_adl", "ADL", (None, 65.27, 52.36)),
    ("mobilenet_v1_cam", "CAM", (None, 71.94, 43.70)),
    ("mobilenet_v1_has", "HaS-32", (None, 66.64, 44.67)),
    ("mobilenet_v1_adl", "ADL", (None, 70.43, 47.74)),
    ("resnet50_se_cam", "CAM", (None, 80.65, 42.72)),
    ("resnet50_se_adl", "ADL", (None, 80.34, 62.29)),
    ("inception_v3_cam", "CAM (quoted)", (None, None, 43.67)),
    ("inception_v3_spg", "SPG (quoted)", (None, None, 46.64)),
    ("inception_v3_adl", "ADL", (None, 74.55, 53.04)),
)
# Top-1 Clas and Top-1 Loc of the same rows.
_ILSVRC = (
    (66.60, 42.80),
    (67.50, 45.83),
    (69.48, 44.92),
    (68.38, 41.66),
    (67.48, 41.87),
    (67.77, 43.01),
    (76.56, 46.19),
    (75.85, 48.53),
    (None, 46.29),
    (None, 48.60),
    (72.83, 48.71),
)
_OURS = (
    ("small_cnn_cam", "CAM"),
    ("small_cnn_has", "HaS-16"),
    ("small_cnn_adl", "ADL"),
)
_ANALOGUE = (
    "The paper has this table on VGG-GAP; its figures stand beside the "
    "same row of other networks."
)


def backbone_of(name):
    """The network of a row.

    Args:
        name: Name of the row's flagfile.

    Returns:
        Text.
    """
    known = ("resnet50_se", "inception_v3", *_RUNGS)
    return next(each for each in known if name.startswith(each))


def paper_table(number, data):
    """A table of the paper.

    Args:
        number: 1, 2 or 3.
        data: Name of a flagfile in `data/`: `"synthetic"` has the network of
            the quick start, all others have the paper's.

    Returns:
        `Table`.
    """
    ours = data == "synthetic"
    backbones = ("small_cnn",) if ours else ("vgg_gap", "mobilenet_v1")
    if number == 1:
        return _rates_table(backbones)
    if number == 2:
        return _ladder_table(backbones)
    if ours:
        rows = tuple(Row(*each) for each in _OURS)
    elif data == "ilsvrc":
        rows = tuple(
            Row(name, label, (None, *published))
            for (name, label, _), published in zip(_CUB, _ILSVRC)
        )
    else:
        rows = tuple(Row(*each) for each in _CUB)
    return Table(
        "Table 3: methods and networks",
        rows,
        tuple(_method_claims([row.name for row in rows])),
        "HaS-32 and HaS-16 are Hide-and-Seek with patches of so many pixels. "
        "The paper quotes some figures from the papers of these methods.",
    )


def _method_claims(names):
    for name in names:
        backbone = backbone_of(name)
        if not name.endswith("_cam"):
            continue
        for other in ("cam", "has", "spg", "acol"):
            if f"{backbone}_{other}" in names:
                yield Claim(
                    f"{backbone}: ADL is better than {METHOD_NAMES[other]}",
                    f"{backbone}_adl",
                    f"{backbone}_{other}",
                )


def _rates_table(backbones):
    def flagfile(backbone, key):
        key = {"none": "cam", "full": _FULL[backbone]}.get(key, key)
        return f"{backbone}_{key}"

    return Table(
        "Table 1: drop mask / importance map, in percent of the steps",
        tuple(
            Row(flagfile(backbone, key), label, published)
            for backbone in backbones
            for key, (label, published) in _RATES.items()
        ),
        tuple(
            Claim(
                f"{backbone}: {text}",
                flagfile(backbone, above),
                flagfile(backbone, below),
                *metric,
            )
            for backbone in backbones
            for text, above, below, *metric in _RATE_CLAIMS
        ),
        _ANALOGUE,
    )


def _ladder_table(backbones):
    rows, claims = [], []
    for backbone in backbones:
        rungs = _RUNGS[backbone]
        names = [f"{backbone}_{key}" for key, _ in rungs]
        for number, (name, (_, label)) in enumerate(zip(names, rungs)):
            rows.append(Row(name, label, _LADDER[number][1]))
        for number in range(1, min(5, len(rungs))):
            # The paper's rise up to the third place, and fall after it.
            above, below = names[number], names[number - 1]
            text = f"{rungs[number][1]} helps"
            if number == 4:
                above, below = below, above
                text = f"{rungs[number][1]} hurts"
            claims.append(Claim(f"{backbone}: {text}", above, below))
    return Table(
        "Table 2: places of ADL, one more in each row",
        tuple(rows),
        tuple(claims),
        _ANALOGUE,
    )
