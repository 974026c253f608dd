"""An exported agent in a loop of 100 Hz, with neither latentrl nor PyTorch: python examples/control_loop.py FOLDER"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

folder, steps = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300
about = json.loads((folder / "agent.json").read_text())
settings, random, took, belief = onnxruntime.SessionOptions(), np.random.default_rng(0), [], None
settings.intra_op_num_threads = 1  # the graphs are too small for more
begin, step = (onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), settings) for name in ("begin", "step"))
frame, due = None, time.perf_counter()
for t in range(steps):
    seen = t % 10 != 9  # your camera goes here, its frames as they were recorded; this one loses every tenth
    frame = random.integers(0, 256, about["frame"]["shape"]).astype(about["frame"]["dtype"]) if seen else frame
    start = time.perf_counter()
    if belief is None:
        belief = begin.run(None, {"frame": frame})
    else:  # what came out goes back in; if something else than the action was applied, put that in its place
        belief = step.run(None, dict(zip(about["inputs"]["step"], [*belief, frame, np.array(seen)], strict=True)))
    action = belief[2]  # your motors go here
    took.append(1000 * (time.perf_counter() - start))
    due = max(due + 0.01, time.perf_counter())
    time.sleep(due - time.perf_counter() if due > time.perf_counter() else 0)
print(f"{steps} steps: median {np.median(took):.3f} ms, 99% within {np.percentile(took, 99):.3f} ms; {action}")
