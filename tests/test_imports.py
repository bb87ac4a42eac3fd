"""Imports run one way: folders stand in the order in which a frame travels."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
ORDER = [
    "errors",
    "media_time",
    "frame",
    "detection",
    "sighting",
    "annotation",
    "clock",
    "deployment",
    "limits",
    "config",
    "registry",
    "arrow_columns",
    "atomic_file",
    "private_files",
    "sqlite_file",
    "extras",
    "silence",
    "child_process",
    "leftovers",
    "counted",
    "access",
    "video",
    "detectors",
    "score_log",
    "rules",
    "store",
    "runs",
    "remote_store",
    "formats",
    "study",
    "evaluation",
    "charts",
    "tuning",
    "experiments",
    "sinks",
    "jobs",
    "feeds",
    "retention",
    "app",
]

# What takes long to import, or may not be installed: it may be imported inside a function.
HEAVY = frozenset(
    [
        "astral",
        "av",
        "cv2",
        "duckdb",
        "fastapi",
        "fsspec",
        "jinja2",
        "jsonschema",
        "markdown_it",
        "nbformat",
        "numba",
        "numpy",
        "onnx",
        "onnxruntime",
        "open_clip",
        "openvino",
        "pandas",
        "plotly",
        "pyarrow",
        "rapidocr",
        "ray",
        "regex",
        "requests",
        "scipy",
        "sklearn",
        "starlette",
        "statsmodels",
        "streamlit",
        "torch",
        "torchvision",
        "tqdm",
        "ultralytics",
        "uvicorn",
        "urllib3",
        "yaml",
    ]
)
FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for file in sorted((ROOT / "lab").rglob("*.py"))
}


class Import(NamedTuple):
    """What a line imports. at_top: when the module is, not when a function is called."""

    module: str
    line: int
    at_top: bool


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(body: list[ast.stmt], at_top: bool = True) -> Iterator[tuple[ast.stmt, bool]]:
    for node in body:
        if is_for_types(node):
            continue
        yield node, at_top
        inside = at_top and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for name in ("body", "orelse", "finalbody"):
            yield from statements(getattr(node, name, []) or [], inside)
        for handler in getattr(node, "handlers", []):
            yield from statements(handler.body, inside)


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    found = []
    for node, at_top in statements(ast.parse(FILES[module].read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, at_top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                name = whole if whole in FILES else node.module
                found.append(Import(name, node.lineno, at_top))
    return tuple(found)


def of_the_lab(module: str) -> list[Import]:
    # The package itself names every public part, and imports each at its first use.
    return [one for one in imports_of(module) if one.module in FILES and one.module != "lab"]


@cache
def weight_of(module: str) -> frozenset[str]:
    """The heavy packages that importing a module imports."""
    known, left = {module}, [module]
    heavy = set()
    while left:
        for one in imports_of(left.pop()):
            if not one.at_top:
                continue
            heavy |= {one.module.split(".")[0]} & HEAVY
            if one.module in FILES and one.module not in known | {"lab"}:
                known.add(one.module)
                left.append(one.module)
    return frozenset(heavy)


def place(module: str) -> str:
    return module.split(".")[1] if "." in module else "lab"


def test_every_file_and_folder_has_its_place_in_the_order():
    top = {place(module) for module in FILES} - {"lab", "__main__"}
    assert top <= set(ORDER), sorted(top - set(ORDER))


def test_imports_between_folders_run_downward_only():
    upward = [
        f"{FILES[module].relative_to(ROOT)}:{one.line} imports {one.module}"
        for module in FILES
        if module not in ("lab", "lab.__main__")
        for one in of_the_lab(module)
        if ORDER.index(place(one.module)) > ORDER.index(place(module))
    ]
    assert not upward, "\n".join(upward)


def test_no_module_needs_itself_by_way_of_others():
    graph = {module: {one.module for one in of_the_lab(module)} - {module} for module in FILES}
    reach = {}
    for start in graph:
        found, left = set(), [start]
        while left:
            for name in graph[left.pop()] - found:
                found.add(name)
                left.append(name)
        reach[start] = found
    circles = sorted({tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph})
    assert circles == [()], circles


def test_a_function_imports_only_what_is_heavy_or_may_be_missing():
    for_nothing = [
        f"{FILES[module].relative_to(ROOT)}:{one.line} imports {one.module}"
        for module in FILES
        for one in of_the_lab(module)
        if not one.at_top and not weight_of(one.module) - weight_of(module)
    ]
    assert not for_nothing, "\n".join(for_nothing)


@pytest.mark.parametrize(
    ("package", "folders"),
    [
        ("streamlit", ("app/ui", "app/server")),
        ("starlette", ("app/ui", "app/server")),
        ("fastapi", ("app/server",)),
        ("duckdb", ("store",)),
    ],
)
def test_a_framework_is_known_in_its_folder_alone(package, folders):
    allowed = tuple(f"lab.{folder.replace('/', '.')}" for folder in folders)
    elsewhere = [
        module
        for module in FILES
        if not module.startswith(allowed)
        and any(one.module.split(".")[0] == package for one in imports_of(module))
    ]
    assert not elsewhere
