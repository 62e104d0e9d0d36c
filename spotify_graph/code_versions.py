"""Which code something was computed by: a name that changes with what the code does, and not with how it reads."""

import ast
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

COMPUTING = (
    "spotify_graph.graph_model",
    "spotify_graph.neo4j_io.vocabulary",
    "spotify_graph.tasks",
    "spotify_graph.training",
    "spotify_graph.transforms",
)
"""The code that says what rows come out: imports of it are followed, those of other code are not."""


@cache
def code_of(*modules: str, within: tuple[str, ...] = COMPUTING) -> str:
    """Names the code in modules and in what they import: another comment, docstring or layout is the same code.

    Args:
        modules: the modules' names.
        within: the modules and packages that imports are followed into.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    found: dict[str, str] = {}
    pending = list(modules)
    while pending:
        if (module := pending.pop()) not in found:
            found[module], imported = _read(module)
            pending += [name for name in imported if _is_within(name, within) and _file(name)]
    return sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]


def source(module: str) -> str:
    """A module's source.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    file = _file(module)
    if file is None:
        raise ModuleNotFoundError(f"there is no source of {module}", name=module)
    return file.read_text(encoding="utf-8")


@cache
def _file(module: str) -> Path | None:
    """Where a module's source is. Nothing is imported to find out: modules of NumPy and the like take long."""
    package, *path = module.split(".")
    spec = find_spec(package)
    for folder in spec.submodule_search_locations or () if spec else ():
        place = Path(folder, *path)
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                return file
    return None


@cache
def _read(module: str) -> tuple[str, frozenset[str]]:
    """A module's code, and what it imports, anywhere in it; what it takes from a package may be a module or not."""
    tree = ast.parse(source(module))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            node.body = [statement for statement in node.body if not _is_text(statement)]
    return ast.unparse(tree), frozenset(imported)


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a text that stands for itself: a docstring."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_within(name: str, within: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in within)
