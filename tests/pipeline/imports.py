"""Which project modules a module imports, read from the source without running it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules() -> list[str]:
    """Return the dotted names of all project modules."""
    files = [*ROOT.glob("stages/**/*.py"), *ROOT.glob("cli/**/*.py")]
    return sorted(_name(file) for file in files)


@cache
def file_of(module: str) -> Path | None:
    """Return the source file of a project module, None for anything else."""
    base = ROOT.joinpath(*module.split("."))
    candidates = [base.with_suffix(".py"), base / "__init__.py"]
    return next((file for file in candidates if file.is_file()), None)


@cache
def imported(module: str) -> frozenset[str]:
    """Return the project modules that ``module`` imports, at its top or inside its functions."""
    file = file_of(module)
    assert file is not None
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found = {name for name in inner if file_of(name)}
            names.update(found)
            if found != inner:
                names.add(str(node.module))
    return frozenset(n for n in names if n.split(".")[0] in {"stages", "cli"} and file_of(n))


def reachable(module: str) -> set[str]:
    """Return all project modules behind ``module``, itself included."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += imported(name)
    return seen


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
