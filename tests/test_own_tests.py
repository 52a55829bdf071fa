"""Each module has a test of its own, or is named here with the tests that hold it.

A module has one where a test imports it. Commands and readers of logs are tested through the front:
what a user types, and the files that come out.
"""

from __future__ import annotations

import ast
from pathlib import Path

FOLDERS = ("harness", "judges", "reports", "tasks")
HELD_BY = {
    "harness/api/given": "harness/api/test_grading.py",
    "harness/api/grading": "harness/api/test_grading.py",
    "harness/api/studies": "harness/api/test_studies.py",
    "harness/audit_noise": "harness/commands/test_replay_train.py",
    "harness/commands/audit": "harness/commands/test_trust.py",
    "harness/commands/bench_reward": "harness/commands/test_trust.py",
    "harness/asked": "harness/commands/test_judge.py",
    "harness/align/cascade": "harness/commands/test_align_cascade.py",
    "harness/align/members": "harness/commands/test_align_cascade.py",
    "harness/align/asking": "harness/commands/test_align_prompt.py",
    "harness/commands/align/prompt": "harness/commands/test_align_prompt.py",
    "harness/commands/align/cascade": "harness/commands/test_align_cascade.py",
    "harness/commands/align/command": "harness/commands/test_align_cascade.py",
    "harness/commands/demo": "harness/commands/test_demo.py",
    "harness/costs/split": "harness/commands/test_judge_sample.py",
    "harness/sampling": "harness/commands/test_judge_sample.py",
    "harness/commands/import_verdicts": "harness/commands/test_import_verdicts.py",
    "harness/commands/judge": "harness/commands/test_judge.py",
    "harness/commands/label": "harness/commands/test_label.py",
    "harness/commands/lint": "harness/commands/test_variance_and_lint.py",
    "harness/commands/pages/compare": "harness/test_compare.py",
    "harness/commands/pages/report": "harness/test_cli.py",
    "harness/commands/pages/view": "harness/serving/test_viewer.py",
    "harness/commands/plan": "harness/commands/test_plan.py",
    "harness/commands/score": "harness/results/test_recheck.py",
    "harness/commands/setup/completion": "harness/commands/setup/test_completion.py",
    "harness/commands/setup/doctor": "harness/commands/setup/test_doctor.py",
    "harness/commands/setup/listing": "harness/commands/setup/test_listing.py",
    "harness/commands/setup/tasks_dir": "harness/test_cli.py",
    "harness/commands/training/export": "harness/commands/test_export.py",
    "harness/commands/training/replay_train": "harness/commands/test_replay_train.py",
    "harness/commands/training/serve": "harness/serving/test_serve_command.py",
    "harness/commands/training/study_flags": "harness/commands/test_variance_and_lint.py",
    "harness/commands/training/variance": "harness/commands/test_variance_and_lint.py",
    "harness/commands/verdicts": "harness/commands/test_verdicts.py",
    "harness/costs/plan": "harness/commands/test_plan.py",
    "harness/distributed/flags": "harness/distributed/test_flags.py",
    "harness/evaluation/models": "harness/test_run.py",
    "harness/labels": "harness/commands/test_trust.py",
    "harness/lint/forms": "harness/test_lint_forms.py",
    "harness/lint/recorded": "harness/test_lint_forms.py",
    "harness/serving/connections": "harness/serving/test_attacks.py",
    "harness/serving/forms": "harness/serving/test_score.py",
    "harness/tables/cascade": "harness/commands/test_align_cascade.py",
    "harness/tables/raters": "harness/commands/test_label.py",
    "harness/tables/wordings": "harness/commands/test_align_prompt.py",
    "harness/tables/replay": "harness/commands/test_replay_train.py",
    "judges/backends/prompts/asking_options": "judges/backends/test_asking_more.py",
    "judges/backends/prompts/criteria_words": "judges/backends/test_asking_more.py",
    "judges/backends/refusals": "judges/backends/test_endpoint_bounds.py",
    "judges/data/forms/by_hand": "judges/data/test_row_shapes.py",
    "judges/data/forms/contract": "judges/data/test_contract.py",
    "judges/data/forms/peers": "judges/data/test_forms.py",
    "judges/data/forms/tools": "judges/data/test_tools.py",
    "judges/data/forms/trees": "judges/data/test_forms.py",
    "judges/data/sizes": "judges/data/test_sizes.py",
    "judges/data/tables": "judges/data/test_reader.py",
    "judges/store/kept": "judges/store/test_sqlite.py",
    "judges/engine/calls": "judges/engine/test_retries.py",
    "judges/engine/cost_estimate": "judges/engine/test_cost_estimate.py",
    "judges/engine/pool": "judges/engine/test_pool.py",
    "judges/fitted/judge": "judges/fitted/test_fitting.py",
    "judges/grader_facts": "judges/test_grader.py",
    "judges/replies/commitment": "judges/replies/test_reply_grammar.py",
    "judges/replies/json_in_text": "judges/replies/test_nasty_replies.py",
    "judges/replies/spelled": "judges/replies/test_nasty_replies.py",
    "judges/rewards/modifiers": "judges/rewards/test_terms.py",
    "judges/rewards/published": "judges/rewards/test_rewards.py",
    "judges/rewards/registry": "judges/rewards/test_rewards.py",
    "reports/comparison/slices": "reports/comparison/test_comparison.py",
    "reports/interval_words": "reports/pages/test_comparison_page.py",
    "reports/pages/facts": "reports/pages/test_facts.py",
    "reports/pages/html": "reports/pages/test_comparison_page.py",
    "reports/results/criteria": "reports/results/test_odd_shapes.py",
    "reports/results/evalscope": "reports/results/test_evalscope.py",
    "reports/results/findings": "reports/results/test_odd_shapes.py",
    "reports/results/inspect_logs": "reports/results/test_inspect_logs.py",
    "reports/results/logs": "reports/results/test_documented_logs.py",
    "reports/results/promptfoo": "reports/results/test_promptfoo.py",
    "reports/results/samples": "reports/results/test_reader.py",
    "reports/results/simple_evals": "reports/results/test_simple_evals.py",
    "reports/results/values": "reports/results/test_odd_shapes.py",
    "reports/results/verifiers": "reports/results/test_verifiers.py",
    "reports/results/zip_entries": "reports/results/test_log_sizes.py",
    "tasks/metrics": "tasks/test_rubric_task.py",
    "tasks/reward_variance": "tasks/test_reward_variance.py",
    "tasks/rubric_preference": "tasks/test_rubric_preference.py",
    "tasks/whole_task": "tasks/test_rubric_task.py",
}
"""Module, and the file of tests that reaches it through its room or the command line."""


def modules(root: Path) -> set[str]:
    found = (path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    return {
        path.relative_to(root).with_suffix("").as_posix()
        for path in found
        if path.name != "__init__.py"
    }


def imported_by_tests(root: Path) -> set[str]:
    found = set()
    for path in (root / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rubricbeat."):
                base = node.module.split(".")[1:] if node.module else []
                found.add("/".join(base))
                found.update("/".join([*base, alias.name]) for alias in node.names)
            elif isinstance(node, ast.Import):
                found.update("/".join(alias.name.split(".")[1:]) for alias in node.names)
    return found


def test_every_module_has_a_test_of_its_own_or_is_named(root: Path) -> None:
    there, imported = modules(root), imported_by_tests(root)
    assert there - imported - HELD_BY.keys() == set(), "give it a test, or name what holds it"
    assert HELD_BY.keys() - there == set(), "named, and gone"
    assert HELD_BY.keys() & imported == set(), "named, and has a test of its own"
    assert {test for test in HELD_BY.values() if not (root / "tests" / test).is_file()} == set()
