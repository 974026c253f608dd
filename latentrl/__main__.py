"""``latentrl VERB ...``, the same as ``python -m latentrl.VERB ...``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from latentrl import __version__
from latentrl.support.commands import program_of, started_as
from latentrl.support.errors import reported


def _quickstart(argv: Sequence[str]) -> None:
    from latentrl.quickstart import main

    main(argv)


def _collect(argv: Sequence[str]) -> None:
    from latentrl.collect import main

    main(argv)


def _import(argv: Sequence[str]) -> None:
    from latentrl.import_recordings import main

    main(argv)


def _inspect(argv: Sequence[str]) -> None:
    from latentrl.inspect import main

    main(argv)


def _train(argv: Sequence[str]) -> None:
    from latentrl.train import main

    main(argv)


def _imagine(argv: Sequence[str]) -> None:
    from latentrl.imagine import main

    main(argv)


def _learn(argv: Sequence[str]) -> None:
    from latentrl.learn import main

    main(argv)


def _evaluate(argv: Sequence[str]) -> None:
    from latentrl.evaluate import main

    main(argv)


def _study(argv: Sequence[str]) -> None:
    from latentrl.study import main

    main(argv)


def _suite(argv: Sequence[str]) -> None:
    from latentrl.suite import main

    main(argv)


def _sweep(argv: Sequence[str]) -> None:
    from latentrl.sweep import main

    main(argv)


def _compare(argv: Sequence[str]) -> None:
    from latentrl.compare import main

    main(argv)


def _export(argv: Sequence[str]) -> None:
    from latentrl.export import main

    main(argv)


def _demo(argv: Sequence[str]) -> None:
    from latentrl.demo import main

    main(argv)


def _zoo(argv: Sequence[str]) -> None:
    from latentrl.zoo import main

    main(argv)


def _push(argv: Sequence[str]) -> None:
    from latentrl.push import main

    main(argv)


def _pull(argv: Sequence[str]) -> None:
    from latentrl.pull import main

    main(argv)


class Verb(NamedTuple):
    """A subcommand: ``run`` takes the arguments after the verb's name and imports what it needs only when called."""

    run: Callable[[Sequence[str]], None]
    summary: str


VERBS: dict[str, Verb] = {
    "demo": Verb(_demo, "half a minute, nothing trained: shipped weights act, a page: runs/demo/demo.html"),
    "quickstart": Verb(_quickstart, "all of the below once, with a report: runs/quickstart/report.html"),
    "collect": Verb(_collect, "random actions in an environment -> a data set"),
    "import": Verb(_import, "recordings that are there already -> a data set"),
    "inspect": Verb(_inspect, "a data set -> a page: motion, noise, sizes of a state, what is amiss"),
    "train": Verb(_train, "a data set -> a latent state-space model"),
    "imagine": Verb(_imagine, "a model -> sequences of its own, and how real they are"),
    "learn": Verb(_learn, "a model and a goal image -> a policy, learned inside the model"),
    "evaluate": Verb(_evaluate, "a policy or a planner -> its success in the real environment"),
    "study": Verb(_study, "every row of a table, several seeds each -> the table, its claims tested, its figures"),
    "suite": Verb(_suite, "collect, train, learn, evaluate in many systems -> one table of what is reached"),
    "sweep": Verb(_sweep, "flags of a training and their ranges -> the best of them, judged without labels"),
    "compare": Verb(_compare, "one table of all agents on all tasks, with the true physics as an upper bound"),
    "export": Verb(_export, "a model and a policy -> ONNX and torch.export graphs for a control loop of your own"),
    "zoo": Verb(_zoo, "trained runs that come with the package: --run zoo:NAME"),
    "push": Verb(_push, "a run -> the Hugging Face Hub, with a card of its figures"),
    "pull": Verb(_pull, "a run from the Hugging Face Hub, pinned by its hash"),
}


def usage() -> str:
    """The text of ``latentrl --help``."""
    width = max(map(len, VERBS))
    listing = "\n".join(f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items())
    return (
        "usage: latentrl VERB [OPTIONS]\n\n"
        "Control on learned latent state-space models.\n\n"
        f"verbs:\n{listing}\n\n"
        "`latentrl VERB --help` lists a verb's options; `latentrl --version` prints the version."
    )


def _find_modules_here() -> None:
    """Look for modules in the current folder too, as ``python -m`` does and a console script does not.

    Last of all, so that a file there hides no library.
    """
    here = os.getcwd()
    if not getattr(sys.flags, "safe_path", False) and not {"", here} & set(sys.path):
        sys.path.append(here)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the verb that the first argument names; exits with 2 when there is none of that name."""
    if argv is not None:
        return _run(list(argv))
    _find_modules_here()
    with started_as(program_of(sys.argv[0], Path(__file__).parent)):
        return _run(sys.argv[1:])


def _run(arguments: list[str]) -> None:
    name, rest = (arguments[0] if arguments else None), arguments[1:]
    if name in ("-h", "--help", "--version"):
        with reported():
            print(f"latentrl {__version__}" if name == "--version" else usage())
    elif name in VERBS:
        VERBS[name].run(rest)
    else:
        problem = "a verb is missing" if name is None else f"there is no verb '{name}'"
        print(f"latentrl: {problem}; choose one of: {', '.join(VERBS)}\n\n{usage()}", file=sys.stderr)
        raise SystemExit(2)


if __name__ == "__main__":
    main()
