"""``latentrl VERB ...``, the same as ``python -m latentrl.VERB ...``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

from latentrl import __version__


def _quickstart() -> None:
    from latentrl.quickstart import main

    main()


def _collect() -> None:
    from latentrl.collect import main

    main()


def _train() -> None:
    from latentrl.train import main

    main()


def _learn() -> None:
    from latentrl.learn import main

    main()


def _evaluate() -> None:
    from latentrl.evaluate import main

    main()


class Verb(NamedTuple):
    """A subcommand: ``run`` imports what it needs only when called and reads its options from ``sys.argv``."""

    run: Callable[[], None]
    summary: str


VERBS: dict[str, Verb] = {
    "quickstart": Verb(_quickstart, "all of the below once, with a report: runs/quickstart/report.html"),
    "collect": Verb(_collect, "random actions in an environment -> a data set"),
    "train": Verb(_train, "a data set -> a latent state-space model"),
    "learn": Verb(_learn, "a model and a goal image -> a policy, learned inside the model"),
    "evaluate": Verb(_evaluate, "a policy or a planner -> its success in the real environment"),
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


def main() -> None:
    """Run the verb that the first argument names; exits with 2 when there is none of that name."""
    name, rest = (sys.argv[1] if len(sys.argv) > 1 else None), sys.argv[2:]
    if name in ("-h", "--help"):
        print(usage())
    elif name == "--version":
        print(f"latentrl {__version__}")
    elif name in VERBS:
        sys.argv = [f"latentrl {name}", *rest]
        VERBS[name].run()
    else:
        problem = "a verb is missing" if name is None else f"there is no verb '{name}'"
        print(f"latentrl: {problem}; choose one of: {', '.join(VERBS)}\n\n{usage()}", file=sys.stderr)
        raise SystemExit(2)


if __name__ == "__main__":
    main()
