"""Flatten a tree of weights to criteria: a leaf is worth its share of each node above it.

PaperBench writes nodes as `requirements`, `weight` and `sub_tasks`; here a node may also have
`criterion`, `description` or `text`, and `children`.
Source of the weights: a node scores the mean of its children, weighted (arXiv 2504.01848).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...rubric import Criterion
from ..conversations import is_missing
from ..json_rows import Field, kind_of
from .contract import CONDITIONS, MIN_POINTS, completed, points_of, sign_of, worth_of

CHILDREN = ("sub_tasks", "children")
_TEXTS = ("requirements", "requirement", "criterion", "description", "text", "title", "name")
_KINDS = {"task_category": "category", "finegrained_task_category": "type"}
"""Fields of PaperBench's leaves, and the tags that they become."""
PATH_TAG = "path:"
MAX_DEPTH = 64


def is_tree(field: Field) -> bool:
    """Say whether a rubric is a tree: a node with nodes below it, or a list that holds one."""
    nodes = field.value if isinstance(field.value, list | tuple) else [field.value]
    return any(isinstance(node, Mapping) and _has_children(node) for node in nodes)


def _has_children(node: Mapping[str, object]) -> bool:
    return any(isinstance(node.get(name), list | tuple) and node[name] for name in CHILDREN)


def text_of_node(node: Field) -> str:
    """Give what a node asks for."""
    return node.first(*_TEXTS).text()


def criteria_of_tree(field: Field) -> tuple[Criterion, ...]:
    """Give the leaves as criteria, in the order of the tree.

    The root is worth 1 point, or its own `points`. Several nodes at the top are worth their
    `points`, or share 1 point by `weight`.

    Raises:
        DataError: A weight is none or negative, or a node says what only a leaf can.
    """
    nodes = [field] if isinstance(field.value, Mapping) else [n.decoded() for n in field.items()]
    tops = [
        _Node(node, worth, (), is_root=len(nodes) == 1)
        for node, worth in zip(nodes, _worths(nodes), strict=True)
    ]
    return tuple(leaf.criterion() for node in tops for leaf in node.leaves())


def _worths(nodes: Sequence[Field]) -> list[float]:
    """Give what the nodes at the top are worth: their points, or shares of 1 point."""
    with_points = [node for node in nodes if node.has("points")]
    if not with_points:
        return _shares(nodes)
    if len(with_points) < len(nodes):
        bare = next(node for node in nodes if not node.has("points"))
        raise bare.fault("has no 'points', and other nodes beside it have; write all in one way")
    return [points_of(node["points"]) for node in nodes]


def _shares(nodes: Sequence[Field]) -> list[float]:
    """Give each of the siblings its share of their weight; a node without one weighs 1."""
    if len(nodes) == 1:  # alone it is the whole, whatever it weighs
        return [1.0]
    weights = [_weight(node) for node in nodes]
    return [weight / sum(weights) for weight in weights]


def _weight(node: Field) -> float:
    field = node["weight"]
    if is_missing(field.value):
        if node.has("points"):
            raise node["points"].fault("is only for the top of a tree; write 'weight' here")
        return 1.0
    weight = points_of(field)
    if weight < 0:
        raise field.fault(f"is {weight:g}; weights in a tree must be positive")
    return weight


def _children(node: Field) -> list[Field]:
    if not isinstance(node.value, Mapping):
        raise node.fault(f"is {kind_of(node.value)}, not a node with text and weight")
    there = [node[name].decoded() for name in CHILDREN if node.has(name)]
    full = [children for children in there if children.value not in ([], ())]
    if len(full) > 1:
        raise node.fault("has both 'sub_tasks' and 'children'; give one of them")
    return list(full[0].items()) if full else []


@dataclass(frozen=True, slots=True)
class _Node:
    field: Field
    worth: float
    path: tuple[str, ...]
    """What the nodes above it ask for; the root says it of all, and is excluded."""
    is_root: bool = False

    def leaves(self) -> Iterator[_Node]:
        children = _children(self.field)
        if not children:
            yield self
            return
        if len(self.path) >= MAX_DEPTH:
            raise self.field.fault(f"lies more than {MAX_DEPTH} nodes deep")
        self._refuse_conditions()
        path = self.path if self.is_root else (*self.path, text_of_node(self.field))
        for child, share in zip(children, _shares(children), strict=True):
            yield from _Node(child, self.worth * share, path).leaves()

    def _refuse_conditions(self) -> None:
        """Refuse what only a leaf can say; the root that is the row itself has the row's fields."""
        of_the_row = {"reference"} if self.field.parent is None else set()
        for name in sorted(CONDITIONS - {"id"} - of_the_row):
            value = self.field[name].value
            if not (is_missing(value) or value is False or value in ("", [])):
                raise self.field[name].fault(
                    "is on a node with children; only leaves are graded: move it to a leaf"
                )

    def criterion(self) -> Criterion:
        points = self.worth
        if abs(points) < MIN_POINTS:
            raise self.field.fault(f"is worth {points:g} of the whole: it would not count")
        levels = self.field["levels"].decoded()
        if isinstance(levels.value, list | tuple) and not all(
            level.has("share") for level in levels.items() if isinstance(level.value, Mapping)
        ):
            raise levels.fault("have points of their own; in a tree give each 'share'")
        # with levels: checks that the shares reach what the leaf is worth
        worth_of(self.field, Field(points, self.field, "weight"))
        tags = self.field["tags"].strings()
        for name, tag in _KINDS.items():
            if self.field.has(name):
                tags += (f"{tag}:{self.field[name].text()}",)
        if self.path:
            tags += (PATH_TAG + " / ".join(" ".join(step.split()) for step in self.path),)
        tags = tuple(dict.fromkeys(tags))
        plain = Criterion(text_of_node(self.field), points, sign_of(points), tags)
        return completed(self.field, plain)
