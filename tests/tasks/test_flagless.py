from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from installed import build_wheel, install, uninstall

from rubricbeat.tasks.lm_eval_adapter import task_names

pytestmark = pytest.mark.border

BEFORE_THE_HARNESS = """
import sys
from pathlib import Path
import lm_eval.tasks, rubricbeat
from lm_eval.tasks import TaskManager
from lm_eval import simple_evaluate
import lm_eval.evaluator

stubs = Path(lm_eval.tasks.__file__).parent / "rubricbeat"
# what lm-eval's own index does with every folder beside it, on this folder alone
manager = TaskManager(include_path=str(stubs), include_defaults=False)
lm_eval.evaluator.add_env_info = lambda results: None
results = simple_evaluate(model="dummy", tasks=["healthbench_heart_demo"], task_manager=manager)
import json
print(json.dumps({
    "package": str(Path(rubricbeat.__file__).parent),
    "tasks": sorted(manager.all_tasks),
    "score": results["results"]["healthbench_heart_demo"]["n_scored,none"],
}))
"""


def test_an_installed_wheel_puts_its_tasks_into_lm_eval_and_takes_them_out_again(
    root: Path, tmp_path: Path
) -> None:
    python = install(build_wheel(root, tmp_path), tmp_path / "venv")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [python, "-c", BEFORE_THE_HARNESS],
        cwd=elsewhere,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["package"]).is_relative_to(tmp_path / "venv")
    assert found["tasks"] == task_names()
    assert found["score"] > 0
    (lm_eval,) = (tmp_path / "venv").glob("lib/python*/site-packages/lm_eval")
    uninstall(python)
    assert (lm_eval / "tasks" / "manager.py").is_file()
    assert not (lm_eval / "tasks" / "rubricbeat").exists()


def test_every_task_has_its_stub(root: Path) -> None:
    stubs = {path.stem: path.read_text("utf-8") for path in root.glob("tasks/lm_eval_index/*.yaml")}
    assert stubs == {
        name: f"include: ../../../rubricbeat/tasks/definitions/{name}.yaml\n"
        for name in task_names()
    }
