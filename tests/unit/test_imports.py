"""No two files of the package need each other, however far round: not even for types."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fastmlp

PACKAGE = Path(fastmlp.__file__).parent


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source, package, known):
    """The known modules that a source imports anywhere: at its top, in functions, for type checkers."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                if whole in known or origin in known:
                    yield whole if whole in known else origin


def edges():
    files = {module_name(path): path for path in [*PACKAGE.rglob("*.py"), PACKAGE / "_kernels.pyi"]}
    found = {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found[name] = set(imported(path.read_text(encoding="utf-8"), package, files)) - {name}
    return found


def test_no_file_needs_itself_by_way_of_others():
    found = edges()
    assert "fastmlp.model" in found["fastmlp.network"] and len(found) > 80  # the walk does find them
    order = list(TopologicalSorter(found).static_order())  # CycleError names the files of a circle
    assert order.index("fastmlp.model") < order.index("fastmlp.training.fit") < order.index("fastmlp.network")


def test_a_circle_is_found_in_any_form_of_import():
    known = {"p", "p.a", "p.b", "p.c"}
    forms = {
        "p.a": "from . import b\n",
        "p.b": "def f():\n    from .c import thing\n",
        "p.c": "if TYPE_CHECKING:\n    from .a import Thing\n",
    }
    circle = {name: set(imported(source, "p", known)) for name, source in forms.items()}
    assert circle == {"p.a": {"p.b"}, "p.b": {"p.c"}, "p.c": {"p.a"}}
    with pytest.raises(CycleError):
        list(TopologicalSorter(circle).static_order())
