"""MkDocs hook: the reference pages that are made from the program itself."""

from __future__ import annotations

import argparse
import ast
import html
import inspect
import textwrap
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

import griffe
from mkdocs.structure.files import File

import rubricbeat
from rubricbeat.harness.commands.setup.catalogue import COMMANDS, parser_of
from rubricbeat.judges import errors

COMMANDS_HEAD = """# Commands

Made from the commands themselves: `rubricbeat COMMAND --help` says the same. Exit codes: 0 done, 1
failed or incomplete (what was finished is kept), 2 usage error, 130 interrupted.

"""
PYTHON_HEAD = """# Python

Everything that is public is a name of `rubricbeat`. A name is loaded when it is first used, so that
`import rubricbeat` costs nothing.

"""
# the first that fits says under which head a public name stands
PARTS = {
    "harness.serving": "Ask a server for grades",
    "harness": "Grade and compare",
    "reports": "Read results and write pages",
    "judges.scoring": "Scores",
    "judges.rewards": "Rewards",
    "judges.signal": "Study a reward",
    "judges.keyword": "Checks of the keyword judge",
    "judges.rubric": "Rubrics",
    "judges.data": "Rubrics",
    "judges": "Judges, verdicts and answers",
}
ORDER = [
    "Grade and compare",
    "Rubrics",
    "Judges, verdicts and answers",
    "Scores",
    "Rewards",
    "Study a reward",
    "Read results and write pages",
    "Checks of the keyword judge",
    "Ask a server for grades",
]


def on_files(files: Any, config: Any) -> None:
    """Add the pages of commands and of Python names."""
    for name, text in (("commands", commands_page()), ("python", python_page())):
        files.append(File.generated(config, f"reference/{name}.md", content=text))


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show the tree of errors where a page asks for it."""
    tree = inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1]
    return markdown.replace("<!-- tree of errors -->", f"```text\n{inspect.cleandoc(tree)}\n```")


def commands_page() -> str:
    """Write every command with its flags."""
    listed = "".join(f"| [`{n}`](#rubricbeat-{n}) | {c.help} |\n" for n, c in COMMANDS.items())
    parts = [f"{COMMANDS_HEAD}| command | does |\n|---|---|\n{listed}"]
    for name in COMMANDS:
        parts += _command(parser_of(name)[1], "##")
    return "\n".join(parts)


def _command(parser: argparse.ArgumentParser, head: str) -> Iterator[str]:
    yield f"\n{head} {parser.prog}\n"
    yield _description(parser.description or "")
    for group in parser._action_groups:
        shown = [
            a for a in group._group_actions if a.help != argparse.SUPPRESS and a.dest != "help"
        ]
        flags = [a for a in shown if not isinstance(a, argparse._SubParsersAction)]
        if flags:
            title = group.title or ""
            if title not in {"options", "positional arguments"}:
                yield f"\n{title[:1].upper()}{title[1:]}:\n"
            yield "\n| flag | meaning |\n|---|---|\n" + "".join(_flag(parser, one) for one in flags)
        for action in shown:
            if isinstance(action, argparse._SubParsersAction):
                for inner in dict.fromkeys(action.choices.values()):
                    yield from _command(inner, f"{head}#")


def _description(text: str) -> str:
    """Show indented lines as code, as the terminal does, and the others as text."""
    parts = []
    for is_code, lines in groupby(
        inspect.cleandoc(text).split("\n"), lambda line: line.startswith("  ")
    ):
        block = "\n".join(lines)
        parts.append(f"```text\n{inspect.cleandoc(block)}\n```" if is_code else _plain(block))
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    return (
        html.escape(text, quote=False).replace("_", r"\_").replace("*", r"\*").replace("|", "\\|")
    )


def _flag(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    names = action.option_strings or [""]
    value = "" if action.nargs == 0 else formatter._format_args(action, _value(action))
    spelt = ", ".join(f"{name} {value}".strip() for name in names)
    said = " ".join(formatter._expand_help(action).split()) if action.help else ""
    need = " **Required.**" if action.required and action.option_strings else ""
    return f"| `{spelt.replace('|', chr(92) + '|')}` | {_plain(said)}{need} |\n"


def _value(action: argparse.Action) -> str:
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest


def python_page() -> str:
    """Write every public name with its signature and its docstring."""
    parts: dict[str, list[str]] = {title: [] for title in ORDER}
    for name, home in rubricbeat._HOME.items():
        title = next(said for prefix, said in PARTS.items() if home.startswith(prefix))
        parts[title].append("\n\n".join(_name(name, getattr(rubricbeat, name))))
    return PYTHON_HEAD + "\n".join(
        f"## {title}\n\n" + "\n\n".join(names) + "\n" for title, names in parts.items() if names
    )


def _name(name: str, thing: Any) -> Iterator[str]:
    yield f"### {name}"
    is_class = inspect.isclass(thing)
    if not (is_class and issubclass(thing, Exception)):
        yield _signature(name, thing)
    yield from _docstring(inspect.getdoc(thing))
    if is_class:
        # a property reads as a field does
        read = {
            one: inspect.getdoc(raw) or ""
            for one, raw in vars(thing).items()
            if not one.startswith("_") and _is_property(raw)
        }
        fields = "".join(
            f"| `{one}` | {_prose(said).replace(chr(10) * 2, '<br>')} |\n"
            for one, said in (_fields(thing) | read).items()
        )
        if fields:
            yield f"| field | meaning |\n|---|---|\n{fields}"
        for method, raw in vars(thing).items():
            function = getattr(raw, "__func__", raw)
            if not method.startswith("_") and inspect.isfunction(function):
                yield f"#### {name}.{method}"
                yield _signature(method, function)
                yield from _docstring(inspect.getdoc(raw))


def _is_property(thing: Any) -> bool:
    return isinstance(thing, property) or type(thing).__name__ == "cached_property"


def _fields(thing: type) -> dict[str, str]:
    """Give the documented attributes of a class: those with a string below them."""
    body = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0].body
    said = {}
    for one, below in pairwise(body):
        target = getattr(one, "target", None) or next(iter(getattr(one, "targets", [])), None)
        if isinstance(target, ast.Name) and isinstance(below, ast.Expr):
            text = getattr(below.value, "value", None)
            if isinstance(text, str) and not target.id.startswith("_"):
                said[target.id] = inspect.cleandoc(text)
    return said


def _signature(name: str, thing: Any) -> str:
    known = inspect.signature(thing)
    words = [_parameter(one) for one in known.parameters.values()]
    kinds = [one.kind for one in known.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        words.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    gives = known.return_annotation
    is_told = gives is not inspect.Signature.empty and not inspect.isclass(thing)
    end = f" -> {gives}" if is_told else ""
    line = f"{name}({', '.join(words)}){end}"
    if len(line) > 88:
        line = f"{name}(\n    " + ",\n    ".join(words) + f",\n){end}"
    return f"```python\n{line}\n```"


def _parameter(one: inspect.Parameter) -> str:
    """Write a parameter as its source does: annotations are text there, and are not quoted."""
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    is_annotated = one.annotation is not one.empty
    said = f"{stars}{one.name}" + (f": {one.annotation}" if is_annotated else "")
    if one.default is one.empty:
        return said
    return f"{said} = {one.default!r}" if is_annotated else f"{said}={one.default!r}"


def _docstring(text: str | None) -> Iterator[str]:
    for section in griffe.Docstring(text or "").parse("google", warnings=False):
        kind, value = section.kind.value, section.value
        if kind == "text":
            yield _prose(value)
        elif kind in {"parameters", "attributes", "raises", "returns", "yields"}:
            rows = [f"* {_named(one, kind)}{_prose(one.description)}" for one in value]
            yield f"**{kind.capitalize()}**\n\n" + "\n".join(rows)
        elif kind == "examples":
            yield "\n\n".join(f"```python\n{code}\n```" for _, code in value)
        elif kind == "admonition":
            yield f"**{section.title}:** {_prose(value.description)}"


def _named(one: Any, kind: str) -> str:
    what = one.annotation if kind == "raises" else getattr(one, "name", "")
    return f"`{what}`: " if what else ""


def _prose(text: str) -> str:
    """Keep what stands in backticks, and show everything else as it is."""
    return "`".join(
        part if at % 2 else _plain(part) for at, part in enumerate(_paragraphs(text).split("`"))
    )


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
