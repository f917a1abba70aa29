"""`python -m tests.bare MODULE`: run a module as a fresh installation would.

Owns which packages the application may import: those of `RUNTIME` in setup.py and what they ask for. What
only the tools for tests brought is as if it were not there, so that an undeclared dependency fails in the
tests, too. Always in a process of its own, never in pytest's. Called by `tests/integration/test_jobs.py` and
`tests/test_runtime_packages.py`.
"""

import ast
import importlib.metadata
import re
import runpy
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from packaging.requirements import Requirement

SETUP = Path(__file__).parents[1] / "setup.py"
OURS = ("tongyou",)


def forget_other_packages() -> None:
    """From now on `import` of anything else raises ModuleNotFoundError."""
    wanted = _with_what_they_need(_declared())
    owners = importlib.metadata.packages_distributions()
    unknown = {
        module for module, names in owners.items() if not wanted.intersection(_plain(each) for each in names)
    }
    # What this module itself needed must not be found there by others.
    for loaded in [each for each in sys.modules if each.partition(".")[0] in unknown]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, _Refusal(unknown))


class _Refusal:
    """A finder for `sys.meta_path` that knows what is not there."""

    def __init__(self, modules: set[str]) -> None:
        self._modules = modules

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in self._modules:
            raise ModuleNotFoundError(f"No module named {name!r} in setup.py's RUNTIME", name=name)
        return None


def _declared() -> list[str]:
    """`RUNTIME` as setup.py has it now, which may be newer than what was installed."""
    for statement in ast.parse(SETUP.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "RUNTIME":
            declared: list[str] = ast.literal_eval(statement.value)
            return declared
    raise LookupError("setup.py has no RUNTIME")


def _with_what_they_need(requirements: Iterable[str]) -> set[str]:
    """The plain names of these packages and of all that they require here."""
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(each), "") for each in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = _plain(requirement.name)
        for more in {"", *requirement.extras}:
            if (name, more) not in seen:
                seen.add((name, more))
                needs = importlib.metadata.requires(name) or []
                waiting += [(Requirement(each), more) for each in needs]
    return {name for name, _ in seen}.union(OURS)


def _plain(name: str) -> str:
    """A package's name as all of its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    forget_other_packages()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
