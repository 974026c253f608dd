"""Who can take part in which task with the truth in hand."""

from __future__ import annotations

from dataclasses import replace

from latentrl.envs import ENVIRONMENTS, TASKS, environment_named
from latentrl.evaluation.oracles import has_servo, plans_on_true_physics


def test_a_reference_takes_part_only_where_it_knows_the_goal() -> None:
    """Also in an environment that has both kinds: one knows goals in its coordinates, the other poses of episodes."""
    swinging, reaching = TASKS["swing-up"], TASKS["reach"]
    pendulum, reacher = (environment_named(task.env_id) for task in (swinging, reaching))
    assert pendulum is not None and reacher is not None
    both = replace(pendulum, servo=reacher.servo)
    assert plans_on_true_physics(both, swinging) and not has_servo(both, swinging)
    assert has_servo(both, reaching) and not plans_on_true_physics(both, reaching)
    assert plans_on_true_physics(pendulum, TASKS["rotate-clockwise"]), "a target speed is a goal too"
    assert not plans_on_true_physics(reacher, swinging) and not has_servo(pendulum, reaching)
    assert not plans_on_true_physics(None, swinging) and not has_servo(None, reaching)


def test_every_task_here_has_a_reference() -> None:
    for name, task in TASKS.items():
        one = environment_named(task.env_id)
        if one in ENVIRONMENTS.values() and one is not None and one.entry_point.startswith("latentrl."):
            assert plans_on_true_physics(one, task) or has_servo(one, task), name
