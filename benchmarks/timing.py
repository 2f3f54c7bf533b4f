"""Ratios that hold on a noisy machine: alternating, in one run, medians."""

import os
import platform
import statistics
import time
import typing


def alternate(candidates, rounds=7, before=lambda name: None):
    """Times functions in turn, so that what disturbs one disturbs all.

    Args:
        candidates: Dictionary from name to a function without arguments.
        rounds: How often each is timed, after a first call that is not.
        before: Function that is given the name before each call, untimed.

    Returns:
        Dictionary from name to the list of its seconds.
    """
    seconds = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, function in candidates.items():
            before(name)
            started = time.perf_counter()
            function()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(seconds, name, against):
    """Median over the rounds of how much longer one took than another.

    Args:
        seconds: What `alternate` returned.
        name: One name in it.
        against: Another.

    Returns:
        Float.
    """
    pairs = zip(seconds[name], seconds[against])
    return statistics.median(one / other for one, other in pairs)


def machine():
    """The machine in a line."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    name = line.partition(":")[2].strip()
                    break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"


class Row(typing.NamedTuple):
    """One line of the table that `python -m benchmarks` prints.

    Attributes:
        what: What was measured.
        against: What it is compared with.
        target: What was aimed for.
        measured: What it came to.
        met: Whether that is within the target.
    """

    what: str
    against: str
    target: str
    measured: str
    met: bool

    def __str__(self):
        cells = (*self[:-1], "yes" if self.met else "**no**")
        return f"| {' | '.join(cells)} |"


def print_rows(rows):
    """Prints lines of the table, which `python -m benchmarks` gathers."""
    for row in rows:
        print(row, flush=True)
