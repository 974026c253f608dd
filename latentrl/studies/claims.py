"""The claims of a study, tested seed by seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from latentrl.numerics.statistics import PairedTest, paired_test
from latentrl.studies.definition import Claim, Column, Row, Term
from latentrl.studies.results import Results
from latentrl.studies.tables import grid
from latentrl.support.printing import NONE

Verdict = Literal["holds", "does not hold", "undecided", "not tested"]
SIGNIFICANT = 0.05


class Named(Protocol):
    """What a study calls its rows and figures."""

    @property
    def columns(self) -> Iterable[Column]:
        """Every figure that has a name for people."""
        ...

    def row(self, name: str) -> Row:
        """The row of that name."""
        ...


@dataclass(frozen=True)
class Finding:
    """What became of a claim.

    Attributes:
        claim: the claim.
        verdict: ``holds`` or ``does not hold`` where the interval of the difference lies on one side of zero;
            ``not tested`` where no seed has both sides.
        test: of the differences, or of the differences of log10 for a ratio.
        sides: the larger and the smaller side as claimed, with their means.
        missing: seeds that only one side has.
    """

    claim: Claim
    verdict: Verdict
    test: PairedTest | None
    sides: tuple[str, str]
    missing: int = 0


def examine(claim: Claim, study: Named, results: Results) -> Finding:
    """Test a claim on the seeds that both its sides have."""
    larger, smaller = _values(claim.larger, results), _values(claim.smaller, results)
    seeds = _common(larger, smaller)
    sides = (_side(claim.larger, study, results), _side(claim.smaller, study, results))
    if not seeds:
        return Finding(claim, "not tested", None, sides)
    pairs = [(_at(larger, seed), _at(smaller, seed)) for seed in seeds]
    differences = [_log(a) - _log(b) if claim.ratio else a - b for a, b in pairs]
    test = paired_test(differences)
    missing = len({seed for side in (larger, smaller) if not isinstance(side, float) for seed in side} - set(seeds))
    return Finding(claim, _verdict(test), test, sides, missing)


def claims_markdown(findings: Sequence[Finding], mark: str | None = None) -> str:
    """The findings as a page; ``mark`` is a warning for the heading."""
    text = ["# Claims", "", *([f"**{mark}**", ""] if mark else []), *claims_lines(findings)]
    return "\n".join(text) + "\n"


def claims_lines(findings: Sequence[Finding]) -> list[str]:
    """The findings as a table, how to read it, and what is missing from it."""
    body = [[f.claim.text, *f.sides, *_figures(f), f.verdict, _significance(f)] for f in findings]
    heads = ["claim", "larger", "smaller", "difference [95%]", "seeds", "p", "verdict", "p <= 0.05"]
    pairs = [f.test.pairs for f in findings if f.test is not None]
    text = [*grid(heads, body), "", *EXPLANATION]
    if pairs:
        text.append(
            f"The smallest p that the seeds allow is 1/{2 ** max(pairs)}: "
            + ("with so few seeds no claim can reach 0.05." if 0.5 ** max(pairs) > SIGNIFICANT else "0.05 is in reach.")
        )
    short = [f"- {f.claim.text}: {f.missing} seed(s) on one side alone, left out" for f in findings if f.missing]
    absent = [f"- not tested, no run has the figures: {f.claim.text}" for f in findings if f.verdict == "not tested"]
    return [*text, *(["", *short, *absent] if short or absent else [])]


EXPLANATION = (
    "Pairs are runs with the same seed, and so the same data. The difference is that of the two sides, or for squared",
    "errors their ratio (written with ×), with its 95% percentile bootstrap interval over seeds. A claim *holds* where",
    "the whole interval lies on its side, *does not hold* where it lies on the other, and else is *undecided*. p is",
    "that of the exact one-sided sign-flip test; nothing is corrected for the number of claims.",
)


def _values(side: Term | float, results: Results) -> Mapping[int, float] | float:
    return side if isinstance(side, float) else results.term(side)[1]


def _side(side: Term | float, study: Named, results: Results) -> str:
    """``VHP-DKS (CO), MSE predict (smoothed) 1.7e-03``."""
    if isinstance(side, float):
        return f"{side:g}"
    row, values = results.term(side)
    mean = f"{sum(values.values()) / len(values):.3g}" if values else NONE
    names = {column.key: column.label for column in study.columns}
    figure = " / ".join(names.get(key, key) for key in (side.figure, side.over) if key is not None)
    return f"{study.row(row).label}, {figure}: {mean}"


def _common(*sides: Mapping[int, float] | float) -> list[int]:
    seeds = [set(side) for side in sides if not isinstance(side, float)]
    return sorted(set.intersection(*seeds))


def _at(side: Mapping[int, float] | float, seed: int) -> float:
    return side if isinstance(side, float) else side[seed]


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else math.nan


def _verdict(test: PairedTest) -> Verdict:
    low, high = test.difference.low, test.difference.high
    if low > 0:
        return "holds"
    return "does not hold" if high < 0 else "undecided"


def _figures(finding: Finding) -> list[str]:
    test = finding.test
    if test is None:
        return [NONE, "0", NONE]
    d = test.difference
    mean, low, high = (f"{10**x:.3g}" if finding.claim.ratio else f"{x:+.3g}" for x in (d.mean, d.low, d.high))
    # A single seed has no interval.
    interval = "" if math.isnan(d.low) else f" [{low}, {high}]"
    difference = f"{'×' if finding.claim.ratio else ''}{mean}{interval}"
    return [difference, str(test.pairs), f"{test.p:.3g}"]


def _significance(finding: Finding) -> str:
    if finding.test is None:
        return NONE
    return "yes" if finding.test.p <= SIGNIFICANT else "no"
