"""Tell lm-eval which metrics a task has, and that their values come from us.

lm-eval computes a metric from a value of each document. Ours are made of all documents at once (a
bootstrap, an audit), so one key of the documents carries what they hold, its "aggregation" takes
them in, and every metric then only asks for its value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .metrics import Metric


def register_metrics(
    task: Any,
    metrics: Sequence[Metric],
    *,
    documents_key: str,
    take_documents: Callable[[Sequence[Any]], Any],
    value_of: Callable[[str, Sequence[Any]], Any],
) -> None:
    """Register metrics with a task whose own `__init__` has run.

    Args:
        task: A `ConfigurableTask`.
        metrics: In the order of the table.
        documents_key: Key of `process_results` that carries what a document holds.
        take_documents: Called once with what all documents hold, before any value is asked for.
        value_of: Gives a metric's value by its name; what the documents hold of it is ignored.
    """
    # the names are lm-eval's (0.4.13)
    task._config.metric_list = [
        {"metric": m.name, "aggregation": "rubricbeat", "higher_is_better": m.higher_is_better}
        for m in metrics
    ]
    for metric in metrics:
        task._metric_fn_list[metric.name] = None
        task._metric_fn_kwargs[metric.name] = {}
        task._aggregation_list[metric.name] = partial(value_of, metric.name)
        task._higher_is_better[metric.name] = metric.higher_is_better
    task._aggregation_list[documents_key] = take_documents
    task._higher_is_better[documents_key] = None
