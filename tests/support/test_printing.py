"""Sentences on a terminal: no word is ever broken, none is lost, and a file gets whole lines."""

from __future__ import annotations

import os
import sys

import pytest

from latentrl.support.printing import NARROWEST, columns, digits, fitted, say

TEXT = "the constraint was never met: C is 0.041; try more --steps, --standardise, or a larger --kappa than 0.042"


@pytest.mark.parametrize("width", [24, 40, 80, 1000])
@pytest.mark.parametrize("start", ["", "      "])
def test_lines_fit_and_hold_the_same_words(width: int, start: str) -> None:
    lines = fitted(TEXT, width, start).split("\n")
    assert max(map(len, lines)) <= width and " ".join(lines).split() == TEXT.split()
    assert lines[0].startswith(start + "the") and all(line.startswith(f"{start}  ") for line in lines[1:])


@pytest.mark.parametrize(
    ("value", "said"),
    [(-1300.4, "-1300"), (999.6, "1000"), (890.8, "891"), (0.001234, "0.00123"), (123456.0, "123456"), (0.0, "0")],
)
def test_numbers_have_no_exponent(value: float, said: str) -> None:
    assert digits(value) == said


def test_a_long_word_stays_whole() -> None:
    path = "/a/very/long/path/that-has-hyphens/and/no/end"
    assert fitted(f"see {path} there", 10, hang="").split("\n") == ["see", path, "there"]


def test_only_a_terminal_breaks_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    say(TEXT)
    assert columns() is None and capsys.readouterr().out == f"{TEXT}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say(TEXT)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 30 == columns()
    monkeypatch.setenv("COLUMNS", "3")
    assert columns() == NARROWEST


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo-terminals")
def test_a_pseudo_terminal_is_one() -> None:
    leader, follower = os.openpty()
    with open(follower, "w") as stream:
        assert columns(stream) is not None
    os.close(leader)
