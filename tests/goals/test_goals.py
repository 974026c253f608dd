"""What ``--goal`` may say, and the reward that it becomes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from latentrl.data_collection.storage import write
from latentrl.goals.any_position import AnyGoal
from latentrl.goals.parsing import goal_reward, parse_goal
from latentrl.goals.picture import PictureGoal, read_goal
from latentrl.goals.recorded import FrameGoal, SequenceGoal
from latentrl.goals.speed import SpeedGoal
from latentrl.models.ekvae import EKVAE, EKVAESettings
from latentrl.models.spec import DataSpec
from latentrl.rewards.position import PositionReward
from latentrl.rewards.velocity import VelocityReward
from latentrl.runs.velocity_range import VelocityRange, save_range
from latentrl.support.errors import UserError
from latentrl.support.files import write_json
from latentrl.types import Trajectory
from tools.pictures import huge_picture

SHAPE = (6, 6, 1)


def make_model(state_size: int = 3) -> EKVAE:
    torch.manual_seed(0)
    settings = EKVAESettings(state_size=state_size, base_matrices=2, hidden=(8,), gate_hidden=(4,), prior_hidden=(4,))
    return EKVAE(DataSpec(SHAPE, "uint8", 1, (2.0,)), settings).requires_grad_(False)


@pytest.fixture
def recorded() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    return [
        Trajectory(rng.integers(0, 256, (5, *SHAPE), dtype=np.uint8), rng.normal(size=(4, 1)).astype(np.float32))
        for _ in range(3)
    ]


@pytest.fixture
def run(tmp_path: Path, recorded: list[Trajectory]) -> Path:
    """A run folder with what goals read, and the data it names."""
    data, folder = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    folder.mkdir()
    write(data, "train", recorded, {"action_low": [-4.0], "action_high": [4.0]})
    write_json(folder / "settings.json", {"options": {"data": str(data)}})
    save_range(VelocityRange(torch.tensor([0.5]), torch.tensor([4.0])), folder)
    return folder


def test_texts_and_their_meanings() -> None:
    assert parse_goal("photos/goal.png") == PictureGoal(Path("photos/goal.png"))
    assert parse_goal("frame:12:3") == FrameGoal(12, 3)
    assert parse_goal("sequence:12") == SequenceGoal(12)
    assert parse_goal("velocity:-0.85") == SpeedGoal((-0.85,))
    assert parse_goal("velocity:0.5,-1") == SpeedGoal((0.5, -1.0))
    assert parse_goal("any") == AnyGoal() and parse_goal("any.png") == PictureGoal(Path("any.png"))


def test_any_goal_is_none_to_reach(run: Path) -> None:
    with pytest.raises(UserError, match="--goal any: is for learning a policy"):
        goal_reward(AnyGoal(), make_model(), run)


@pytest.mark.parametrize("text", ["frame:12", "frame:a:b", "sequence:", "velocity:fast", "velocity:nan", "velocity:"])
def test_texts_without_a_meaning_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=f"--goal {text}: give a picture"):
        parse_goal(text)


def test_a_picture_and_a_frame_are_positions(run: Path, recorded: list[Trajectory], tmp_path: Path) -> None:
    model, frame = make_model(), recorded[1].observations[2]
    Image.fromarray(frame[..., 0]).save(tmp_path / "goal.png")
    from_picture = goal_reward(parse_goal(str(tmp_path / "goal.png")), model, run)
    from_frame = goal_reward(parse_goal("frame:1:2"), model, run)
    assert isinstance(from_picture, PositionReward) and isinstance(from_frame, PositionReward)
    assert torch.equal(from_picture.goal, from_frame.goal)
    torch.testing.assert_close(from_frame.goal, model.encode(torch.from_numpy(frame)).mean)


def test_a_sequence_is_its_mean_velocity(run: Path, recorded: list[Trajectory]) -> None:
    model = make_model()
    reward = goal_reward(parse_goal("sequence:2"), model, run)
    observations, actions = torch.from_numpy(recorded[2].observations), torch.from_numpy(recorded[2].actions)
    expected = model.smooth(observations[None], actions[None]).mean[0, :, 2:].mean(0)
    assert isinstance(reward, VelocityReward) and reward.position_size == 2
    torch.testing.assert_close(reward.goal, expected.float())


def test_a_share_of_the_top_speed_counts_from_rest(run: Path) -> None:
    reward = goal_reward(parse_goal("velocity:-0.5"), make_model(), run)
    assert reward.goal.tolist() == [0.5 - 0.5 * 4.0]
    assert reward(torch.tensor([9.0, 9.0, -1.5]), torch.zeros(1)) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame:3:0", "sequences 0 to 2"),
        ("sequence:-1", "sequences 0 to 2"),
        ("frame:0:5", "steps are 0 to 4"),
        ("velocity:0.5,0.5", "give 1 numbers"),
    ],
)
def test_goals_beyond_the_data_are_refused(run: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        goal_reward(parse_goal(text), make_model(), run)


def test_velocity_goals_need_velocity_dimensions(run: Path) -> None:
    with pytest.raises(UserError, match="no velocity dimensions"):
        goal_reward(parse_goal("velocity:0.5"), make_model(state_size=2), run)
    (run / "velocity.json").unlink()
    with pytest.raises(UserError, match=r"velocity\.json does not exist"):
        goal_reward(parse_goal("velocity:0.5"), make_model(), run)


def picture(path: Path, mode: str = "L", size: tuple[int, int] = (16, 16)) -> Path:
    Image.new(mode, size, 99 if mode == "L" else None).save(path)
    return path


def test_a_goal_image_comes_back_raw(tmp_path: Path) -> None:
    goal = read_goal(picture(tmp_path / "g.png"), (16, 16, 1))
    assert goal.shape == (16, 16, 1) and goal.dtype == np.uint8 and (goal == 99).all()
    assert read_goal(picture(tmp_path / "g.jpg", "RGB", (8, 6)), (6, 8, 3)).shape == (6, 8, 3)


def test_readings_are_a_json_list(tmp_path: Path) -> None:
    path = tmp_path / "goal.json"
    path.write_text("[1.5, -0.25]")
    goal = read_goal(path, (2,))
    assert goal.dtype == np.float32 and goal.tolist() == [1.5, -0.25]
    for text, words in [
        ("[1]", r"shape \(1,\)"),
        ("[1, NaN]", "finite"),
        ('["a", 2]', "JSON list"),
        ("{", "JSON list"),
    ]:
        path.write_text(text)
        with pytest.raises(UserError, match=words) as caught:
            read_goal(path, (2,))
        assert str(path) in str(caught.value)
    with pytest.raises(UserError, match="no such file; give a JSON list of readings, or a file"):
        read_goal(tmp_path / "none.json", (2,))


def test_readings_are_written_out_in_the_place_of_a_file(tmp_path: Path) -> None:
    goal = parse_goal("[1.5, -2.5e-1]")
    assert isinstance(goal, PictureGoal) and not goal.is_file and parse_goal(str(goal)) == goal
    assert read_goal(goal.path, (2,)).tolist() == [1.5, -0.25]
    assert read_goal(Path("[[1], [2]]"), (2, 1)).tolist() == [[1], [2]]
    for text, words in (
        ("[1.5]", r"--goal \[1.5\]: has the shape \(1,\)"),
        ("[1, x]", r"--goal \[1, x\]: is no JSON at 'x', character 5; .*JSON list"),
        ("[2000, .45]", r"is no JSON at '\.45', character 8; write 0\.45;"),
        ("[1, NaN]", "finite"),
    ):
        with pytest.raises(UserError, match=words):
            read_goal(Path(text), (2,))
    # No picture can be written so.
    with pytest.raises(UserError, match="no such file; give a picture"):
        read_goal(goal.path, (16, 16, 1))
    assert PictureGoal.parse("[a].json").is_file


def test_unsuitable_goal_images_name_file_and_cure(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    cases = [
        (tmp_path / "none.png", (16, 16, 1), "no such file"),
        (tmp_path / "text.png", (16, 16, 1), "PNG or JPEG"),
        (picture(tmp_path / "big.png", size=(32, 16)), (16, 16, 1), "32 x 16"),
        (picture(tmp_path / "rgb.png", "RGB"), (16, 16, 1), "convert"),
        (picture(tmp_path / "ok.png"), (3,), "shape"),
    ]
    for path, shape, words in cases:
        with pytest.raises(UserError, match=words) as caught:
            read_goal(path, shape)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_a_picture_is_no_goal_of_a_model_that_sees_pictures_of_floats(tmp_path: Path, mode: str) -> None:
    """Nothing tells whether such a model counts to 1, 255 or 65535: a picture would be read 255 times too dark."""
    path = tmp_path / "goal.png"
    Image.new(mode, (6, 6), 180).save(path)
    with pytest.raises(UserError, match=r"goal\.png: the model observes numbers .*give a JSON list of them"):
        read_goal(path, (6, 6, 1), "float32")
    numbers = tmp_path / "goal.json"
    numbers.write_text(str(np.full((6, 6, 1), 180.0).tolist()))
    assert (read_goal(numbers, (6, 6, 1), "float32") == 180.0).all()


def test_a_picture_is_measured_before_its_pixels_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes may say that they are gigabytes of pixels."""

    def read(self: ImageFile.ImageFile) -> None:
        raise AssertionError("pixels were read")

    monkeypatch.setattr(ImageFile.ImageFile, "load", read)
    for side, said in ((9_000, "is 9000 x 9000 pixels"), (20_000, "decompression bomb")):
        (tmp_path / "goal.png").write_bytes(huge_picture(side))
        with pytest.raises(UserError, match=said):
            read_goal(tmp_path / "goal.png", (16, 16, 1))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        for shape in ((16, 16, 1), (3,)):
            with pytest.raises(UserError, match="is no file"):
                read_goal(path, shape)


def test_pictures_that_people_see_otherwise_than_they_are_stored(tmp_path: Path) -> None:
    picture = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(tmp_path / "turned.png", exif=turned)
    picture.save(tmp_path / "moving.png", save_all=True, append_images=[picture.rotate(90)])
    upright = Image.Exif()
    upright[0x0112] = 1
    picture.save(tmp_path / "upright.png", exif=upright)
    with pytest.raises(UserError, match=r"turned\.png: is stored turned \(EXIF orientation 6\)"):
        read_goal(tmp_path / "turned.png", (16, 16, 1))
    with pytest.raises(UserError, match=r"moving\.png: holds 2 frames"):
        read_goal(tmp_path / "moving.png", (16, 16, 1))
    np.testing.assert_array_equal(read_goal(tmp_path / "upright.png", (16, 16, 1))[..., 0], np.asarray(picture))


def test_what_is_wrong_with_a_velocity_or_with_readings_is_said_with_its_cure(run: Path, tmp_path: Path) -> None:
    (run / "velocity.json").unlink()
    with pytest.raises(UserError, match=r"--goal velocity:0\.5: .*train for more --steps"):
        goal_reward(parse_goal("velocity:0.5"), make_model(), run)
    spec = DataSpec((3,), "float32", 1, (1.0,))
    model = EKVAE(spec, EKVAESettings(hidden=(8,)))
    for readings, said in (("[0.5, NaN, 2]", "number 1 is nan, counted from 0"), ("[1, 2]", r"has the shape \(2,\)")):
        (tmp_path / "goal.json").write_text(readings)
        with pytest.raises(UserError, match=said):
            parse_goal(str(tmp_path / "goal.json")).target(model, run, None)
