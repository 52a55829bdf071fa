"""What the tasks of this package share: how lm-eval's calls reach them, and their metrics lm-eval.

lm-eval computes a metric from a value of each document. Ours are made of all documents at once (a
bootstrap, an audit), so one key of the documents carries what they hold, its "aggregation" takes
them in, and every metric then only asks for its value. The names are lm-eval's (0.4.12, 0.4.13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, ClassVar, Generic, TypeVar

from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from ..judges.errors import ConfigError
from ..judges.rubric import Message
from .lm_eval_adapter import render
from .metrics import Metric

Doc = TypeVar("Doc")
"""A document, as `read_documents` gives it."""
Held = TypeVar("Held")
"""What a document holds once it is judged."""
FILTER = "none"
"""lm-eval's name for "no filter", the second half of every key in its results."""
SAMPLING = {"do_sample": True, "temperature": 1.0, "seed": None}
"""Sent where several answers are asked for. Without `seed: null` lm-eval sends `seed: 1234` each
time, and a server that honours it answers alike (0.4.13)."""


class Documents(list[dict[str, object]]):
    """Rows with the one attribute of a `datasets.Dataset` that lm-eval asks for.

    Plain rows: Arrow would give every row every field of every other, and change its hash.
    """

    @property
    def features(self) -> dict[str, None]:
        """Name the columns."""
        return dict.fromkeys(self[0] if self else ())


class WholeTask(ConfigurableTask, Generic[Doc, Held]):  # type: ignore[misc]  # lm-eval is untyped
    """A task whose metrics are made of all its documents together."""

    metrics: Sequence[Metric] = ()
    """Every metric a document carries, in the order of the table."""
    documents_key: ClassVar[str]
    """Key of `process_results` that carries what a document holds."""

    def __init__(
        self,
        data_dir: str | None = None,
        cache_dir: str | None = None,
        download_mode: object = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        """Read the settings and the rows; lm-eval calls this with the YAML's content."""
        given = dict(config or {})
        given.pop("class", None)  # TaskConfig has no such field (0.4.13)
        metadata = given.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) else {}
        self._label = str(given.get("task", type(self).__name__))
        self.settle(metadata, given)
        # the kept metadata goes to the results: never the model's arguments, which may hold keys
        given |= {"metadata": {"version": metadata.get("version", 1)}, "metric_list": []}
        super().__init__(data_dir, cache_dir, download_mode, given)
        self._register_metrics()

    def settle(self, metadata: Mapping[str, object], config: dict[str, object]) -> None:
        """Take the settings, before a row is read; the config may be changed."""
        raise NotImplementedError

    def read_documents(self) -> Iterable[dict[str, object]]:
        """Read the rows, once."""
        raise NotImplementedError

    def turns_of(self, doc: Doc, instruction: str | None) -> Sequence[Message]:
        """Give what is sent for a document, with the run's system instruction if it has one."""
        raise NotImplementedError

    def take_documents(self, documents: Sequence[Held]) -> None:
        """Make the numbers of what all documents hold; called once, before any is asked for."""
        raise NotImplementedError

    def value_of(self, name: str) -> object:
        """Give a metric's value for the run."""
        raise NotImplementedError

    def facts(self) -> dict[str, object]:
        """Give what the results say of this task beside its version; called after the numbers."""
        raise NotImplementedError

    def _register_metrics(self) -> None:
        self._config.metric_list = [
            {"metric": m.name, "aggregation": "rubricbeat", "higher_is_better": m.higher_is_better}
            for m in self.metrics
        ]
        for metric in self.metrics:
            self._metric_fn_list[metric.name] = None
            self._metric_fn_kwargs[metric.name] = {}
            self._aggregation_list[metric.name] = partial(self._aggregated, metric.name)
            self._higher_is_better[metric.name] = metric.higher_is_better
        self._aggregation_list[self.documents_key] = self._taken
        self._higher_is_better[self.documents_key] = None

    def _taken(self, documents: Sequence[Held]) -> int:
        self.take_documents(documents)
        return len(documents)

    def _aggregated(self, name: str, items: Sequence[object]) -> object:
        return self.value_of(name)  # not of what each document holds of it

    # What lm-eval calls

    def download(self, *unused: object, **more: object) -> None:
        """Read the rows once; a list of them stands for the data set."""
        self.dataset = {"test": Documents(self.read_documents())}

    def build_all_requests(self, **options: Any) -> None:
        """Build the requests, but for what would send another file's prompts."""
        if options.get("cache_requests"):
            raise ConfigError(
                f"{self._label}: --cache_requests is not safe here: lm-eval finds cached requests "
                "by task name alone and could send another file's conversations; remove it"
            )
        super().build_all_requests(**options)

    def fewshot_context(
        self,
        doc: Doc,
        num_fewshot: int = 0,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., object] | None = None,
        gen_prefix: str | None = None,
    ) -> object:
        """Give the whole conversation as the model is sent it."""
        turns = self.turns_of(doc, system_instruction)
        return render(turns, chat_template if apply_chat_template else None)

    def apply_filters(self) -> list[Instance] | None:
        """Keep every answer as it came, one a repeat."""
        instances: list[Instance] = self._instances
        for instance in instances:
            # under several ranks lm-eval pads a rank's last request with more answers (0.4.13)
            instance.filtered_resps[FILTER] = list(instance.resps)[: self.config.repeats]
        return instances

    @property
    def only_predicts(self) -> bool:
        """Whether lm-eval runs with `--predict_only`, which it tells by a metric's name."""
        return "bypass" in self._metric_fn_list

    def dump_config(self) -> dict[str, object]:
        """Give what the results file says of this task; called after the aggregations."""
        dumped: dict[str, object] = super().dump_config()
        about = {"version": self.VERSION, "rubricbeat": version("rubricbeat")}
        dumped["metadata"] = {**about, **self.facts()}
        return dumped


def set_repeats(config: dict[str, object], asked: int | None) -> None:
    """Set how many answers each document is asked for; several are sampled.

    Args:
        config: Of the task.
        asked: By the user; None leaves it to the task's YAML.
    """
    repeats = config["repeats"] = asked or int(str(config.get("repeats") or 1))
    sampling = config.get("generation_kwargs")
    sampling = dict(sampling) if isinstance(sampling, Mapping) else {}
    if repeats > 1 and not sampling.get("temperature"):
        config["generation_kwargs"] = {**sampling, **SAMPLING}
