"""Modules that need each other in a circle have no order in which to be read."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def imports_of(file: Path, known: set[str]) -> set[str]:
    """The modules of the lab that a file imports, also inside functions, but not for types alone."""
    found = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other."""
    reach = {}
    for start in graph:
        seen, left = set(), [start]
        while left:
            for name in graph[left.pop()] - seen:
                seen.add(name)
                left.append(name)
        reach[start] = seen
    rings = {
        tuple(sorted({a} | {b for b in reach[a] if a in reach[b]})) for a in graph if a in reach[a]
    }
    return [list(ring) for ring in sorted(rings)]


@pytest.mark.parametrize(
    "folder",
    ["rules", "evaluation", "tuning", "runs", "experiments", "jobs/document", "app/cli", "app/ui"],
)
def test_no_module_needs_itself_by_way_of_others(folder):
    files = {
        ".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f
        for f in (ROOT / "lab").rglob("*.py")
    }
    # The package itself names every public part, and imports each at its first use.
    del files["lab"]
    graph = {name: imports_of(f, set(files)) for name, f in files.items()}
    inside = "lab." + folder.replace("/", ".")
    assert not [ring for ring in circles(graph) if any(n.startswith(inside) for n in ring)]
