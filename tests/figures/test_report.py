"""The report: one file, nothing to load, and the figures it was given."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentrl.figures.report import fill, r_squared, scientific
from latentrl.quickstarts import reacher_report
from latentrl.quickstarts.pendulum_report import MOST_POINTS, scatter_data, write_report
from latentrl.quickstarts.reacher_report import ANGLES, PIXELS, Words

SUMMARY: dict[str, Any] = {
    "frames_collected": 15000,
    "model": {
        "r2_angle": 0.9971,
        "r2_velocity": 0.9985,
        "r2_velocity_from_velocity_dims": 0.981,
        "r2_angle_from_position_dims": 0.996,
        "mse_predict_mean": 1.93e-4,
        "mse_predict_median": 8.1e-5,
        "mse_mean_image": 3.1e-2,
        "mse_reconstruction": 4.2e-5,
        "test_elbo_per_step": 53.2,
        "train_seconds": 161.0,
    },
    "control": {"policy": {"episodes": 50, "successes": 50}, "cem": {"episodes": 50, "successes": 49}},
    "wall_seconds": 402.0,
}


def _gif() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.fromarray(np.full((4, 8), shade, np.uint8)) for shade in (0, 128, 255)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], loop=0)
    return buffer.getvalue()


def _barrel(count: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    angle, velocity = generator.uniform(-np.pi, np.pi, count), generator.normal(size=count)
    return np.stack((np.cos(angle), np.sin(angle), velocity), 1), angle, velocity


def _write(path: Path, **changes: Any) -> str:
    latents, angle, velocity = _barrel()
    steps = np.arange(30)
    history = {name: np.ones(30) for name in ("constraint", "bound", "beta", "rate", "distortion")} | {"step": steps}
    images = np.random.default_rng(1).uniform(size=(2, 6, 4, 4))
    arguments: dict[str, Any] = {
        "summary": SUMMARY,
        "history": history,
        "latents": latents,
        "angle": angle,
        "velocity": velocity,
        "strips": (images, images),
        "swing_up_gif": _gif(),
    }
    write_report(path, **(arguments | changes))
    return path.read_text(encoding="utf-8")


class _Resources(HTMLParser):
    """Collects every address that a browser would load, and checks that elements close in order."""

    VOID = frozenset({"meta", "img", "source", "link", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "link", "a stylesheet or icon would be loaded"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "srcset", "href", "poster", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_loads_nothing_and_closes_every_element(tmp_path: Path) -> None:
    page = _write(tmp_path / "report.html")
    parser = _Resources()
    parser.feed(page)
    parser.close()
    assert not parser.open
    assert len(parser.addresses) == 6  # the animation, two pictures in two themes, the fallback
    assert all(address.startswith("data:image/") for address in parser.addresses)
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(", page)


@pytest.mark.parametrize(("words", "learned"), [(ANGLES, True), (ANGLES, False), (PIXELS, True)])
def test_the_reachers_report_loads_nothing_and_shows_the_figures(tmp_path: Path, words: Words, learned: bool) -> None:
    rng, steps = np.random.default_rng(0), np.arange(30)
    names = [f"r2_{joint}{figure}" for joint in ("shoulder", "wrist") for figure in ("", "_velocity")]
    names += [f"r2_{joint}_velocity_neighbours" for joint in ("shoulder", "wrist")]
    names += [f"mse_{figure}" for figure in ("predict_mean", "predict_median", "reconstruction")]
    names += [words.mean, "test_elbo_per_step", "train_seconds"]
    reached = {
        "episodes": 100,
        "successes": 93,
        "shoulder_error": 0.0123,
        "wrist_error": 0.0456,
        "seconds_to_goal": 1.4,
    }
    ahead = {"episodes": 50, "successes": 49, "seconds_to_goal": None}
    agents = ("policy", "cem") if learned else ("cem",)
    summary = {
        "frames_collected": 75000,
        "model": {name: 0.5 + index / 100 for index, name in enumerate(names)},
        "control": {"reach": dict.fromkeys(agents, reached), "reach-ahead": dict.fromkeys(agents, ahead)},
        "wall_seconds": 402.0,
    }
    history = {name: np.ones(30) for name in ("constraint", "bound", "beta", "rate", "distortion")} | {"step": steps}
    shape = (2, 6, 8, 8, 3) if words is PIXELS else (2, 6, 2)
    seen = rng.uniform(size=shape)
    path = tmp_path / "report.html"
    positions, angles = rng.normal(size=(40, 3 if words is PIXELS else 2)), rng.uniform(-2, 2, (40, 2))
    reacher_report.write_report(path, words, summary, history, positions, angles, (seen, seen), 0.04, _gif())
    page = path.read_text(encoding="utf-8")
    parser = _Resources()
    parser.feed(page)
    parser.close()
    assert not parser.open
    assert len(parser.addresses) == 7  # the film, three figures in two themes
    assert all(address.startswith("data:image/") for address in parser.addresses)
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|import\(", page)
    for text in ("75,000", "93 of 100", "0.012 / 0.046 rad", "49 of 50", words.told, base64.b64encode(_gif()).decode()):
        assert text in page
    assert ("a policy and a planner" in page) == learned


def test_report_shows_the_figures(tmp_path: Path) -> None:
    page = _write(tmp_path / "report.html")
    for text in ("15,000", "0.9971", "0.9985", "1.93&thinsp;×&thinsp;10<sup>−4</sup>", "49 of 50", "6:42"):
        assert text in page
    assert base64.b64encode(_gif()).decode() in page


def test_report_takes_the_animation_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "swing.gif").write_bytes(_gif())
    assert _write(tmp_path / "a.html", swing_up_gif=tmp_path / "swing.gif") == _write(tmp_path / "b.html")


def test_a_failed_report_leaves_the_old_one_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ValueError, match="GIF"):
        _write(path, swing_up_gif=b"not an image")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_scatter_data_gives_the_points_back() -> None:
    latents, angle, velocity = _barrel()
    data = json.loads(json.dumps(scatter_data(latents, angle, velocity)))
    points = np.frombuffer(base64.b64decode(data["positions"]), "<i2").reshape(-1, 3)
    assert points.shape == (300, 3)
    assert np.corrcoef(points[:, 0], np.cos(angle))[0, 1] > 0.999
    colours = np.frombuffer(base64.b64decode(data["angle"]["colours"]), np.uint8)
    size = len(data["angle"]["palette"])
    np.testing.assert_allclose(colours / size * 2 * np.pi - np.pi, angle, atol=2 * np.pi / size)
    signs = np.frombuffer(base64.b64decode(data["velocity"]["colours"]), np.uint8) >= size / 2
    np.testing.assert_array_equal(signs, velocity >= 0)


def test_scatter_data_is_bounded() -> None:
    latents, angle, velocity = _barrel(MOST_POINTS + 1)
    data = scatter_data(latents, angle, velocity)
    assert len(base64.b64decode(data["positions"])) == MOST_POINTS * 6


def test_fill_refuses_what_does_not_fit() -> None:
    assert fill("a {{x}} b {{x}}", {"x": "1"}) == "a 1 b 1"
    with pytest.raises(ValueError, match="'y'"):
        fill("{{x}}", {"y": "1"})
    with pytest.raises(ValueError, match="x"):
        fill("{{x}}", {}, finished=True)
    assert fill("{{x}} {{y}}", {"x": "1"}) == "1 {{y}}"


def test_scientific() -> None:
    assert scientific(2.04e-4) == "2.04&thinsp;×&thinsp;10<sup>−4</sup>"
    assert scientific(float("nan")) == "nan"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5000"), (0.99994, "0.9999"), (0.99997, "0.99997"), (0.999996, "0.999996"), (1.0, "1.0000")],
)
def test_r_squared_never_rounds_up_to_one(value: float, text: str) -> None:
    assert r_squared(value) == text
