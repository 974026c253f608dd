"""The exported folder: two graphs in two formats, and a JSON file that says how to use them.

runs/mine/export/
    begin.onnx, step.onnx  the graphs, for onnxruntime
    begin.pt2, step.pt2    the same, as torch.export writes them
    agent.json             shapes, dtypes, bounds, seconds between two actions, and how well the graphs were checked
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from latentrl import __version__
from latentrl.agents.controllers import PolicyController
from latentrl.agents.latent import LatentAgent
from latentrl.exporting.checking import Differences, check_frames, differences, onnx_graph, torch_graph
from latentrl.exporting.graphs import INPUTS, OUTPUTS, Begin, Step, drawn_once, examples
from latentrl.models.base import WorldModel
from latentrl.support.errors import UserError
from latentrl.support.files import write_json

ABOUT = "agent.json"
TOLERANCE = 1e-5
"""What an exported agent may differ from the agent by: see :class:`Differences`."""
EXTRA = ("onnx", "onnxscript", "onnxruntime")


def require_extra() -> None:
    """Refuse to begin without what an export needs.

    Raises:
        UserError: the extra is not installed.
    """
    import importlib.util

    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"an export needs {', '.join(missing)}: pip install 'latentrl[export]'")


def write_graphs(agent: LatentAgent, folder: Path) -> None:
    """Write both graphs in both formats.

    Args:
        agent: one that asks a policy, on the CPU.
        folder: an empty one.

    Raises:
        UserError: the agent's model or policy does something that a graph cannot.
    """
    # The extra is needed here and no earlier.
    from latentrl.exporting.onnx import quiet, write_onnx

    model, controller = agent.model, agent.controller
    assert isinstance(model, WorldModel) and isinstance(controller, PolicyController)
    given = examples(model)
    graphs = {name: graph(model, controller).eval() for name, graph in (("begin", Begin), ("step", Step))}
    with torch.no_grad(), drawn_once(model, given["begin"][0]):
        for name, graph in graphs.items():
            try:
                with quiet():
                    program = torch.export.export(graph, given[name], strict=False)
                write_onnx(program, folder / f"{name}.onnx", INPUTS[name], OUTPUTS)
                # In memory first: PyTorch's own writer ends the process where the disk is full.
                content = io.BytesIO()
                with quiet():
                    torch.export.save(program, content)
                (folder / f"{name}.pt2").write_bytes(content.getvalue())
            except OSError:
                raise
            # Whatever a model or a policy of one's own does, the tracer or the converter may fail at.
            except Exception as error:
                reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
                raise UserError(
                    f"{type(model).__name__} with this policy cannot be exported: its {name} has no graph of fixed "
                    f"operations ({type(error).__name__}: {reason}); let load_agent act instead"
                ) from error


def check_graphs(agent: LatentAgent, folder: Path, data: Path | None, steps: int, span: torch.Tensor) -> dict[str, Any]:
    """Hold the graphs in ``folder`` against the agent; what was found, as JSON values.

    Args:
        agent: what was exported.
        folder: where it was written.
        data: the run's data folder, for frames; None or not there: noise.
        steps: of the episode.
        span: largest minus smallest action ``[Du]``.

    Raises:
        UserError: a graph differs by more than :data:`TOLERANCE`.
    """
    import onnxruntime

    assert isinstance(agent.model, WorldModel)
    frames, source = check_frames(data, agent.model.spec, steps)
    loaded = {
        "onnx": {name: onnx_graph(folder / f"{name}.onnx") for name in INPUTS},
        "pt2": {name: torch_graph(folder / f"{name}.pt2", inputs) for name, inputs in INPUTS.items()},
    }
    found = {kind: differences(agent, graphs, frames, span.numpy()) for kind, graphs in loaded.items()}
    for kind, one in found.items():
        if not one.largest <= TOLERANCE:
            raise UserError(
                f"the exported .{kind} differs from the agent by {one.largest:.1e} over {source} (belief's mean "
                f"{one.mean:.1e}, covariance {one.covariance:.1e}, action {one.action:.1e}), more than {TOLERANCE:g}; "
                "nothing was kept: let load_agent act instead"
            )
    return {
        "frames": source,
        "tolerance": TOLERANCE,
        "onnxruntime": onnxruntime.__version__,
        **{kind: _as_json(one) for kind, one in found.items()},
    }


def describe(
    model: WorldModel, settings: Mapping[str, Any], notes: Mapping[str, Any], low: torch.Tensor, high: torch.Tensor
) -> dict[str, Any]:
    """How the graphs are used, as JSON values.

    Args:
        model: what was exported.
        settings: the run's ``settings.json``.
        notes: of the policy: its name and its goal.
        low: smallest action ``[Du]``.
        high: largest action ``[Du]``.
    """
    spec, given = model.spec, examples(model)["step"]
    state, covariance = given[0].shape[0], given[1].shape[0]
    pictures = spec.observation_dtype == "uint8"
    return {
        "format": 1,
        "latentrl": __version__,
        "model": settings["model"]["name"],
        **notes,
        "inputs": {name: list(names) for name, names in INPUTS.items()},
        "outputs": list(OUTPUTS),
        "frame": {
            "shape": list(spec.observation_shape),
            "dtype": spec.observation_dtype,
            "range": [0, 255] if pictures else None,
            "scaled": "inside the graph: give frames as they are recorded",
        },
        "seen": {"shape": [], "dtype": "bool"},
        "mean": {"shape": [state], "dtype": "float64"},
        "covariance": {"shape": [covariance, covariance], "dtype": "float64"},
        "action": {
            "shape": [spec.action_size],
            "dtype": "float32",
            "low": low.tolist(),
            "high": high.tolist(),
            "recorded_scale": list(spec.action_scale),
        },
        "control_step": control_step(settings.get("data") or {}),
        "repeat": (settings.get("data") or {}).get("repeat", 1),
    }


def control_step(recorded: Mapping[str, Any]) -> float | None:
    """Seconds between two actions, as the run's data says; None where it does not."""
    own = recorded.get("control_step", (recorded.get("env_kwargs") or {}).get("control_step"))
    return None if own is None else float(own)


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``agent.json``."""
    write_json(folder / ABOUT, about)


def _as_json(found: Differences) -> dict[str, float]:
    return {"mean": found.mean, "covariance": found.covariance, "action": found.action}
