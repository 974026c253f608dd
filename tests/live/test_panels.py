"""Sparklines, paces and panels: exact text from given figures; what a view draws, and where it may not."""

from __future__ import annotations

import io
import math
import sys
from typing import Any

import pytest
from rich.console import Console

from latentrl.live.bars import Bar, ShowsBars, opened_bar
from latentrl.live.evaluation import EvaluationView
from latentrl.live.evaluation_panel import EvaluationState, action_time, evaluation_rows
from latentrl.live.pace import Pace, clock, speed
from latentrl.live.rows import Progress, Row, wrapped
from latentrl.live.sparkline import sparkline
from latentrl.live.terminal import Frame, can_show, why_not
from latentrl.live.training import TrainingView
from latentrl.live.training_panel import TrainingState, curve_rows, training_rows, warnings_of

NAN = math.nan


@pytest.mark.parametrize(
    ("values", "width", "log", "drawn"),
    [
        ([], 8, False, ""),
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, False, "▁▂▃▄▅▆▇█"),
        ([7, 0], 8, False, "█▁"),
        ([3, 3, 3], 8, False, "▄▄▄"),
        ([0, NAN, 7, math.inf], 8, False, "▁ █ "),
        ([NAN, NAN], 8, False, "  "),
        ([0, 0, 4, 4, 7, 7], 3, False, "▁▅█"),
        ([1, 10, 100, 1000, 10000], 5, True, "▁▃▅▇█"),
        ([0, -1, 1, 10], 4, True, "  ▁█"),
        ([0, 2, 7, 7], 2, False, "▁█"),
    ],
)
def test_a_curve_is_drawn_in_blocks(values: list[float], width: int, log: bool, drawn: str) -> None:
    assert sparkline(values, width, log) == drawn


def test_a_long_curve_fills_its_width_from_lowest_to_highest_and_costs_no_more_than_a_short_one() -> None:
    class Counted(list[float]):
        read = 0

        def __getitem__(self, at: Any) -> Any:
            self.read += 1
            return super().__getitem__(at)

    values = Counted(range(10_000))
    drawn = sparkline(values, 40)
    assert len(drawn) == 40 and drawn[0] == "▁" and drawn[-1] == "█" and list(drawn) == sorted(drawn)
    assert values.read <= 40 * 4
    with pytest.raises(ValueError, match="width"):
        sparkline([1.0], 0)


def test_a_pace_is_that_of_the_last_half_minute() -> None:
    pace = Pace()
    assert math.isnan(pace.per_second)
    pace.see(0.0, 100)
    assert math.isnan(pace.per_second), "what was done before it began is no speed"
    for second in range(1, 101):
        # Ten a second for a minute, then two.
        pace.see(float(second), 100 + (10 * second if second <= 60 else 600 + 2 * (second - 60)))
    assert pace.per_second == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (clock(0.0), "0:00"),
        (clock(83.4), "1:23"),
        (clock(3723.0), "1:02:03"),
        (clock(NAN), "?"),
        (speed(12.34, "step"), "12.3 steps/s"),
        (speed(0.25, "step"), "4 s a step"),
        (speed(NAN, "step"), "? steps/s"),
        (action_time([0.002, 0.004, 0.003], 50), "3 ms in the median, 99% below 4 ms; 50 episodes at once"),
        (action_time([1.5, 1.5, 12.0], 1), "1.5 s in the median, 99% below 12 s; one episode"),
        (action_time([], 1), "none yet"),
    ],
)
def test_times_are_said_in_words(said: str, text: str) -> None:
    assert said == text


def test_long_text_is_cut_at_words_below_its_label() -> None:
    assert wrapped("! ", "one two three four", 10) == [Row("! one two"), Row("  three"), Row("  four")]
    assert wrapped("! ", "", 10) == [Row("! ")]


def row(**changed: float) -> dict[str, float]:
    """A line of ``history.csv``."""
    plain = {"constraint": 0.01, "bound": 0.005, "beta": 0.1, "rate": 4.0, "distortion": -900.0, "sigma": 0.2}
    return plain | changed


HISTORY = [row(), row(constraint=0.002, beta=0.4, rate=2.0, sigma=0.05)]


def texts(rows: list[Row]) -> list[str]:
    return [one.text.rstrip() for one in rows]


def test_the_panel_of_a_training_line_by_line() -> None:
    state = TrainingState("gradient", 2, 3, "until step 400: everything at once", "", "", HISTORY, ["few steps"])
    assert texts(training_rows(state, Progress(100, 400, 83.0, 2.0), 60)) == [
        "stage 2 of 3: gradient – until step 400: everything at once",
        "█████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░  100 of 400 steps  25%",
        "2 steps/s, 1:23 gone, 2:30 left",
        "",
        "constraint  █▁                 0.002  within the bound 0.005",
        "beta        ▁█                 0.4",
        "rate        █▁                 2 nats/step",
        "sigma       █▁                 0.05",
        "",
        "! few steps",
    ]


def test_the_panel_before_there_are_figures() -> None:
    assert texts(training_rows(TrainingState(), None, 60)) == [
        "getting ready",
        "",
        "no curves yet: a figure comes every few gradient steps",
        "",
        "no warnings so far",
    ]


def test_without_a_sigma_the_distortion_is_drawn_and_without_a_bound_none_is_named() -> None:
    told = texts(curve_rows([row(sigma=NAN, bound=NAN)], 40))
    assert [line.split()[0] for line in told] == ["constraint", "beta", "rate", "distortion"]
    assert told[0].endswith("0.01") and told[3].endswith("-900 nats/step")


def test_the_figures_give_rise_to_warnings() -> None:
    assert warnings_of([]) == warnings_of(HISTORY) == []
    raised, lost = warnings_of([row(), row(bound=0.01, rate=NAN)])
    assert raised.startswith("the bound was raised from 0.005 to 0.01") and lost == "1 of 2 figures are not finite"


def test_the_panel_of_an_evaluation_line_by_line() -> None:
    state = EvaluationState([True, True, False, False], [True, False, True, False], {}, [0.002] * 3)
    assert texts(evaluation_rows(state, Progress(3, 10, 1.0, 3.0), 70)) == [
        "███████████████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  3 of 10 steps  30%",
        "3 steps/s, 0:01 gone, 0:02 left",
        "",
        "●○+·",
        "ended      2 of 4 episodes; successes 1 of 2, 50% (95% interval 0.095",
        "           to 0.905)",
        "right now  would count if all ended: 2 of 4, 50% (95% interval 0.150",
        "           to 0.850)",
        "an action  2 ms in the median, 99% below 2 ms; 4 episodes at once",
    ]
    unjudged = EvaluationState([False, True], None, {"return": 12.5}, [], "alone")
    assert texts(evaluation_rows(unjudged, Progress(3, 10, 1.0), 70))[3:] == [
        "·■",
        "ended      1 of 2 episodes",
        "medians    return 12.5",
        "an action  none yet",
        "alone",
    ]


def test_a_frame_cuts_what_is_too_long() -> None:
    console = Console(file=io.StringIO(), width=20, color_system=None)
    console.print(Frame("title", [Row("x" * 30), Row("y", "cyan")], 20))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "╭─ title ──────────╮",
        f"│ {'x' * 16} │",
        f"│ y{' ' * 15} │",
        "╰──────────────────╯",
    ]


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool = True, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("screen", "kind", "why"),
    [
        (Screen(), "xterm", None),
        (Screen(terminal=False), "xterm", "stderr is no terminal"),
        (Screen(), "dumb", "TERM=dumb is a terminal that cannot be drawn on"),
        (Screen(encoding="latin-1"), "xterm", "the terminal's encoding, latin-1, has no blocks to draw with"),
    ],
    ids=["terminal", "pipe", "dumb", "latin"],
)
def test_a_panel_needs_a_terminal_that_can_draw_it(screen: Screen, kind: str, why: str | None) -> None:
    assert why_not(screen, {"TERM": kind}) == why


def test_where_there_is_none_one_sentence_says_so_and_bars_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert not can_show(False) and capsys.readouterr().err == ""
    assert not can_show(True)
    assert capsys.readouterr().err == "note: --live: stderr is no terminal; bars, or lines, in its place\n"


def drawn(console: Console) -> str:
    assert isinstance(console.file, Screen)
    return console.file.getvalue()


def terminal() -> Console:
    return Console(file=Screen(), force_terminal=True, width=70, height=30, color_system=None, legacy_windows=False)


def test_the_view_of_a_training_is_drawn_and_leaves_a_whole_terminal_behind_an_error() -> None:
    console, now = terminal(), 0.0
    view = TrainingView("runs/a", ["few steps"], console, lambda: now)
    history: list[dict[str, float]] = []
    with pytest.raises(RuntimeError, match="diverged"), view:
        assert isinstance(view, ShowsBars)
        view.stage("best start", 1, 2, "the lowest rate")
        view.watch(history)
        with opened_bar(view, 100, 10) as bar:
            bar.set_description_str("start 1 of 4")
            bar.set_postfix_str("rate 3 nats")
            now = 5.0
            for _ in range(20):
                bar.update()
            history.append(row())
            assert texts(view.rows(66))[1:4] == [
                "start 1 of 4, rate 3 nats",
                f"{'█' * 13}{'░' * 31}  30 of 100 steps  30%",
                "4 steps/s, 0:05 gone, 0:18 left",
            ]
            raise RuntimeError("diverged")
    told = drawn(console)
    assert "start 1 of 4, rate 3 nats" in told and "few steps" in told and told.endswith("\n\x1b[?25h")
    assert told.rfind("\x1b[?25h") > told.rfind("\x1b[?25l"), "the cursor is there again"
    first = told.index("╭")
    assert "\x1b[?25h" in told[: told.index("╭", first + 1)], "and was never gone for long: a kill leaves it"


def test_the_view_of_an_evaluation_draws_twice_a_second_and_asks_for_the_outcome_then_alone() -> None:
    console, now, asked = terminal(), 0.0, 0

    def outcome() -> tuple[list[bool], dict[str, float]]:
        nonlocal asked
        asked += 1
        return [True, False], {}

    with EvaluationView("evaluate policy", 2, 100, console, lambda: now) as view:
        for _ in range(99):
            now += 0.125
            view.step([False, False], outcome, [0.01])
        assert asked == 24
        view.finish([True, True], {}, [0.01])
    assert "100 of 100 steps  100%" in drawn(console)
    assert "successes 2 of 2, 100% (95% interval" in drawn(console) and "0.342 to 1.000)" in drawn(console)


def test_bars_are_what_they_were(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for shown in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        bar: Bar = opened_bar(shown, 10, 4, "decoder")
        with bar:
            bar.update()
        told = capsys.readouterr().err
        assert ("decoder" in told and "5/10" in told) is shown
