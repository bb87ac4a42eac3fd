"""No text of a user becomes Markdown: in no page, and not in the exported report."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lab.formats.markdown import code, isolated, plain, prose
from tests.random_examples import examples

ROOT = Path(__file__).parents[2]
# The calls of Streamlit whose first argument, label or help is Markdown.
CALLS = frozenset(
    [
        *("badge", "button", "caption", "checkbox", "date_input", "download_button"),
        *("error", "expander", "feedback", "file_uploader", "form_submit_button", "header"),
        *("info", "link_button", "markdown", "metric", "multiselect", "number_input"),
        *("page_link", "pills", "popover", "radio", "segmented_control", "select_slider"),
        *("selectbox", "slider", "spinner", "status", "subheader", "success", "tabs"),
        *("text_area", "text_input", "title", "toast", "toggle", "warning", "write"),
    ]
)
KEYWORDS = frozenset(["label", "body", "help", "text", "delta"])
# What gives no text of a user, or text that is escaped already.
ESCAPED = frozenset(
    [
        "plain",
        "code",
        "prose",
        "clock",
        "size",
        "counted",
        "_hours",
        "_rate",
        "_plain",
        "_figure",
        "_facts",
        "title_of",
    ]
)
NUMBERS = frozenset(["len", "round", "int", "sum", "max", "min", "float"])


class Texts(ast.NodeVisitor):
    """Collects the arguments of a file that may hold a text of a user as Markdown."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.scopes: list[ast.AST] = []

    def visit_FunctionDef(self, node):
        self.scopes.append(node)
        self.generic_visit(node)
        self.scopes.pop()

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            given = [*node.args[:1], *(k.value for k in node.keywords if k.arg in KEYWORDS)]
            if node.func.attr == "metric":
                given += node.args[1:3]
            for one in given:
                if not self.is_safe(one):
                    self.found.append(f"line {one.lineno}: {ast.unparse(one)}")
        self.generic_visit(node)

    def is_safe(self, node, seen=()) -> bool:
        def every(nodes):
            return all(self.is_safe(one, seen) for one in nodes)

        match node:
            case ast.Constant():
                return True
            case ast.JoinedStr():
                return every(node.values)
            case ast.FormattedValue(format_spec=None):
                return self.is_safe(node.value, seen)
            case ast.FormattedValue():  # a number: `:.2f`, `:d`
                return True
            case ast.Call(func=ast.Name(id=name)):
                return name in ESCAPED | NUMBERS
            case ast.Call(func=ast.Attribute(value=separator, attr="join"), args=[parts]):
                return every([separator, parts])
            case ast.Call(func=ast.Attribute(value=text, attr="replace" | "capitalize")):
                return self.is_safe(text, seen)
            case ast.GeneratorExp() | ast.ListComp():
                return self.is_safe(node.elt, seen)
            case ast.List() | ast.Tuple():
                return every(node.elts)
            case ast.IfExp():
                return every([node.body, node.orelse])
            case ast.BinOp():
                return every([node.left, node.right])
            case ast.BoolOp():
                return every(node.values)
            case ast.Subscript(value=ast.Name(id=name)):
                return name.lstrip("_").isupper()  # a table of this file
            case ast.Name(id=name):
                return name.lstrip("_").isupper() or self.is_made_here(name, seen)
        return False

    def is_made_here(self, name, seen) -> bool:
        """Whether the function gives a variable nothing but safe texts."""
        if name in seen or not self.scopes:
            return name in seen
        given = []
        for one in ast.walk(self.scopes[-1]):
            match one:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        given += _given(target, value, name)
                case ast.AugAssign(target=ast.Name(id=target), value=value) if target == name:
                    given.append(value)
                case ast.For(target=target, iter=ast.List(elts=rows) | ast.Tuple(elts=rows)):
                    given += [v for row in rows for v in _given(target, row, name)]
                case ast.For(target=target, iter=ast.Call(args=arguments)):
                    for rows in (a for a in arguments if isinstance(a, ast.List)):
                        for part in [target, *getattr(target, "elts", [])]:
                            given += [v for row in rows.elts for v in _given(part, row, name)]
        return bool(given) and all(self.is_safe(one, (*seen, name)) for one in given)


def _given(target, value, name) -> list:
    if isinstance(target, ast.Name):
        return [value] if target.id == name else []
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple | ast.Subscript):
        if not isinstance(value, ast.Tuple):  # a row of a table of this file
            names = [one for one in target.elts if isinstance(one, ast.Name) and one.id == name]
            return [value] * len(names)
        pairs = zip(target.elts, value.elts, strict=False)
        return [found for one, part in pairs for found in _given(one, part, name)]
    return []


def texts_of(source: str) -> list[str]:
    texts = Texts()
    texts.visit(ast.parse(source))
    return texts.found


@pytest.mark.parametrize(
    "file",
    [*sorted((ROOT / "lab" / "app" / "ui").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py"))],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_no_page_shows_a_text_that_is_not_escaped(file):
    assert texts_of(file.read_text()) == []


def test_the_check_finds_what_it_looks_for():
    assert texts_of("st.error(str(error))")
    assert texts_of("left.caption(f'{label}: 1')")
    assert texts_of("def f(note):\n    text = 'a'\n    text += note\n    st.caption(text)")
    assert not texts_of("st.caption(f'{plain(label)}: {share:.2f}')")
    assert not texts_of("def f():\n    text = 'a'\n    text += plain(x)\n    st.caption(text)")


EVIL = [
    "![x](https://evil.example/x.png)",
    "[x](https://evil.example)",
    "<img src=https://evil.example/x.png>",
    "![x]",
    "# title",
    "- item",
    "1. item",
    "    code",
    "a\n\n---\n\n![x](https://evil.example)",
    "| a |\n|---|\n| b |",
    "`code` **bold** _it_ ~~no~~ $x$ :red[x] :material/home: &lt;",
    "\\![x](https://evil.example)",
    "*](x)![y](https://evil.example)",
]


def inside(tokens):
    for token in tokens or []:
        yield token.type
        yield from inside(token.children)


def shown(markdown: str) -> list[str]:
    return list(inside(MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)))


@pytest.mark.parametrize("text", EVIL)
def test_an_escaped_text_is_text(text):
    for markdown in (plain(text), f"**{plain(text)}**", f"A clip: {plain(text)}.", code(text)):
        kinds = set(shown(markdown)) - {"strong_open", "strong_close", "code_inline"}
        assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special"}
    assert "".join(text.split()) == "".join(rendered(plain(text)).split())


def rendered(markdown: str) -> str:
    (_, inline, _) = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    return "".join(token.content for token in inline.children)


@examples(100)
@given(st.text(alphabet="![]()<>*_`~$:|&#+-=1. \\\nab", min_size=1, max_size=30))
def test_no_text_at_all_is_anything_but_text(text):
    kinds = set(shown(plain(text)))
    assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special"}
    assert "image" not in shown(prose(text))


def test_notes_are_markdown_without_pictures():
    assert "image" not in shown(
        prose("# Notes\n\n![x](https://evil.example/x.png) ![y][z]\n\n[z]: b")
    )
    assert "strong_open" in shown(prose("**bold**"))


def test_a_text_from_right_to_left_leaves_its_neighbours_where_they_are():
    assert plain("גשר.mp4") == "\u2068גשר.mp4\u2069"
    assert plain("bridge.mp4") == isolated("bridge.mp4") == "bridge.mp4"
    assert isolated("مراقبة") == "\u2068مراقبة\u2069"
    assert plain("แมว 👩‍🌾 e\u0301") == "แมว 👩‍🌾 e\u0301"


def test_a_mark_that_would_turn_the_direction_of_a_name_is_seen():
    assert isolated("a\u202egpj.mp4") == "a\\u202egpj.mp4"
    assert plain("a\u202egpj") == "a\\\\u202egpj"  # the backslash is escaped
