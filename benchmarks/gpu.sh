#!/bin/sh
# Check, then measure, on a GPU; at most six minutes. Figures: runs/bench/gpu.json and a table.
# --device cpu --quick shows that all parts run, anywhere.
cd "$(dirname "$0")/.." || exit 1
exec "${PYTHON:-.venv/bin/python}" -m benchmarks.gpu "$@"
