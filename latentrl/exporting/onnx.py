"""From a traced program to ONNX: operations that ONNX lacks are taken apart into plain arithmetic.

Import this module only where an export is asked for: onnx, onnxscript and onnxruntime are an optional extra.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from latentrl.numerics.distributions import cholesky
from latentrl.numerics.small_matrices import inverse_positive, solve_positive

OPSET = 20


def write_onnx(program: ExportedProgram, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Write ``program`` as one ONNX file, its weights inside, and have it checked.

    Args:
        program: traced with examples of its inputs.
        path: of the file.
        inputs: their names in the file.
        outputs: theirs.

    Raises:
        torch.onnx.errors.OnnxExporterError: an operation that has no counterpart.
    """
    import onnx
    from onnxscript.optimizer import fold_constants, remove_unused_nodes

    table = torch.export.default_decompositions()
    table.update(TAKEN_APART)
    with quiet():
        plain = program.run_decompositions(table)
        exported = torch.onnx.export(
            plain,
            dynamo=True,
            verbose=False,
            optimize=False,
            opset_version=OPSET,
        )
        assert exported is not None
        # Its other rewriting takes as long as all the rest where a search is unrolled, and onnxruntime has its own.
        fold_constants(exported.model)
        remove_unused_nodes(exported.model)
    _name(exported.model.graph, inputs, outputs)
    exported.save(str(path), external_data=False)
    onnx.checker.check_model(str(path), full_check=True)


def _name(graph: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give inputs and outputs of an ``onnx_ir.Graph`` their names, and all between them others."""
    kept = {id(value) for value in (*graph.inputs, *graph.outputs)}
    between = (value for node in graph for value in node.outputs if id(value) not in kept)
    for number, value in enumerate((*graph.initializers.values(), *between)):
        value.name = f"value_{number}"
    for value, name in zip((*graph.inputs, *graph.outputs), (*inputs, *outputs), strict=True):
        value.name = name


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter warns of packages that are not there and of attributes that a module fills in late.

    Nor do distributions check their parameters, as those in a policy may: a graph has nobody to tell.
    """
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    checking = torch.distributions.Distribution._validate_args
    torch.distributions.Distribution.set_default_validate_args(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.distributions.Distribution.set_default_validate_args(checking)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _cholesky(matrix: Tensor, *, upper: bool = False) -> Tensor:
    factor = cholesky(matrix)
    return factor.mT if upper else factor


def _solve(matrix: Tensor, right: Tensor, *, left: bool = True) -> Tensor:
    assert left, "a filter solves from the left"
    if right.dim() == matrix.dim() - 1:
        return solve_positive(matrix, right.unsqueeze(-1)).squeeze(-1)
    return solve_positive(matrix, right)


def _distances(first: Tensor, second: Tensor, p: float = 2.0, compute_mode: int | None = None) -> Tensor:
    assert p == 2.0, "a filter asks for Euclidean distances"
    return (first.unsqueeze(-2) - second.unsqueeze(-3)).square().sum(-1).sqrt()


def _inverse(matrix: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    return inverse_positive(matrix), torch.zeros(matrix.shape[:-2], dtype=torch.int32)


_aten = torch.ops.aten
TAKEN_APART: dict[Any, Callable[..., Any]] = {
    _aten.linalg_cholesky.default: _cholesky,
    _aten.linalg_inv.default: inverse_positive,
    _aten.linalg_inv_ex.default: _inverse,
    _aten.linalg_solve.default: _solve,
    _aten.cdist.default: _distances,
    _aten._cdist_forward.default: _distances,
}
"""For matrices that are positive definite, as those of filters are. An export that this does not hold for shows in its
check against the agent."""
