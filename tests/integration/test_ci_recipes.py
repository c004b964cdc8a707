"""The GitHub Action and the recipes of docs/ci.md: their shell, with a stand-in for maskport.

What they write is run as their systems run it, and the command line that comes out is read by the
real `maskport validate`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from maskport.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
yaml = pytest.importorskip("yaml", reason="PyYAML reads the action and the recipes")

# As GitHub runs `shell: bash`.
GITHUB_BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
# Words that a shell, a workflow or an option parser would take for something else.
HOSTILE = "--$(touch pwned) `touch pwned`; touch pwned \" ' ${{ x }} * [red] \\"

RECORDER = """#!/usr/bin/env bash
printf '%s\\0' "$@" >> "$RECORD"
for word in "$@"; do
    case "$word" in --markdown=*)
        if [[ -n "${SUMMARY-}" ]]; then echo "$SUMMARY" > "${word#--markdown=}"; fi ;;
    esac
done
exit "${EXIT_CODE:-0}"
"""


class Ended(NamedTuple):
    code: int
    log: str
    recorded: list[str]
    outputs: dict[str, str]
    summary: str


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def docs() -> str:
    return (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


@pytest.fixture
def stand_ins(tmp_path: Path) -> Path:
    """A folder of programs that note down how they were called."""
    folder = tmp_path / "environment" / "bin"
    folder.mkdir(parents=True)
    for name in ("maskport", "pip", "python"):
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o755)
    return folder


class Job:
    """One job of the action, in which steps are run."""

    def __init__(self, action: dict[str, Any], folder: Path, stand_ins: Path) -> None:
        self.steps = {s["id"]: s for s in action["runs"]["steps"] if "id" in s}
        self.defaults = {k: v.get("default", "") for k, v in action["inputs"].items()}
        self.folder = folder
        self.stand_ins = stand_ins

    def run(self, step: str, inputs: dict[str, str], **extra: str) -> Ended:
        """Run a step of the action with its inputs."""
        values = {f"inputs.{name}": value for name, value in (self.defaults | inputs).items()}
        values["steps.environment.outputs.folder"] = str(self.stand_ins.parent)
        values["steps.python.outputs.python-path"] = sys.executable
        files = {name: self.folder / name for name in ("output", "summary", "record")}
        for file in files.values():
            file.write_text("")
        chosen = self.steps[step]
        environment = {
            "PATH": os.environ["PATH"],
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
            "RECORD": str(files["record"]),
            **{
                name: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: values[m[1]], value)
                for name, value in chosen["env"].items()
            },
            **extra,
        }
        done = subprocess.run(
            [*GITHUB_BASH, chosen["run"]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = files["output"].read_text().splitlines()
        return Ended(
            done.returncode,
            done.stdout + done.stderr,
            files["record"].read_text().split("\0")[:-1],
            dict(line.split("=", 1) for line in lines),
            files["summary"].read_text(),
        )


@pytest.fixture
def job(action: dict[str, Any], tmp_path: Path, stand_ins: Path) -> Job:
    return Job(action, tmp_path, stand_ins)


def understood(arguments: list[str]) -> dict[str, Any]:
    """What the real command reads from a command line; nothing is run."""
    assert arguments[0] == "validate"
    command = cli.get_command(cli.make_context("maskport", ["validate"]), "validate")
    assert command is not None
    return command.make_context("validate", arguments[1:]).params


# The action.


def test_no_input_is_written_into_a_script(action: dict[str, Any]) -> None:
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert "run" not in step or step["shell"] == "bash"


def test_every_input_is_used_and_every_used_one_is_declared(action: dict[str, Any]) -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", str(action["runs"])))
    assert used == action["inputs"].keys()


def test_only_the_bundle_has_to_be_given(job: Job) -> None:
    ended = job.run("validate", {"bundle": "exports/sky"})
    assert ended.code == 0
    params = understood(ended.recorded)
    assert params["bundle"] == Path("exports/sky")
    assert params["gate_texts"] == ()
    report = Path(ended.outputs["report"])
    assert params["json_out"] == report / "results.json"
    assert params["junit_out"] == report / "junit.xml"
    assert params["html"] == report / "report"
    given = {"bundle", "json_out", "junit_out", "markdown_out", "html"}
    defaults = understood(["validate", "x"])
    assert {k for k, v in params.items() if v != defaults[k]} == given


def test_every_input_arrives_as_one_word_whatever_it_holds(job: Job) -> None:
    names = ("bundle", "images", "masks", "targets", "gates", "baseline", "weights", "weights-key")
    names += ("network",)
    ended = job.run("validate", {name: f"{name} {HOSTILE}" for name in names} | {"threads": "2"})
    assert ended.code == 0
    params = understood(ended.recorded)
    keys = {"gates": "gates_file", "weights-key": "weights_key"}
    for name in names:
        assert str(params[keys.get(name, name)]) == f"{name} {HOSTILE}"
    assert params["threads"] == 2
    assert not (job.folder / "pwned").exists()


def test_a_bundle_that_looks_like_an_option_is_none(job: Job) -> None:
    params = understood(job.run("validate", {"bundle": "--html=x"}).recorded)
    assert params["bundle"] == Path("--html=x")


def test_each_line_of_gate_is_a_gate(job: Job) -> None:
    gate = f"tflite-int8: iou >= 0.99\n\n  \nmae <= 0.01\n{HOSTILE}\n"
    params = understood(job.run("validate", {"bundle": "b", "gate": gate}).recorded)
    assert params["gate_texts"] == ("tflite-int8: iou >= 0.99", "mae <= 0.01", HOSTILE)


def test_latency_can_be_left_out_and_a_slip_is_an_error(job: Job) -> None:
    assert understood(job.run("validate", {"bundle": "b", "latency": "false"}).recorded)[
        "no_latency"
    ]
    slipped = job.run("validate", {"bundle": "b", "latency": "no"})
    assert slipped.code == 2
    assert not slipped.recorded


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_step_ends_with_maskports_exit_code(job: Job, code: int) -> None:
    ended = job.run("validate", {"bundle": "b"}, EXIT_CODE=str(code), SUMMARY="# Masks")
    assert ended.code == code
    assert ended.outputs["exit-code"] == str(code)
    assert ended.summary == "# Masks\n"


def test_without_a_summary_the_job_says_how_it_ended(job: Job) -> None:
    ended = job.run("validate", {"bundle": "b"}, EXIT_CODE="2")
    assert "ended with exit code 2" in ended.summary


def test_a_photos_name_is_no_command_of_the_workflow(job: Job) -> None:
    """GitHub reads `::set-env …::` from the log unless it was told to stop, with a token."""
    lines = job.run("validate", {"bundle": "b"}).log.splitlines()
    (stop,) = [line for line in lines if line.startswith("::stop-commands::")]
    token = stop.removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert lines[-1] == f"::{token}::"


def test_the_report_is_uploaded_after_a_failure_too(action: dict[str, Any]) -> None:
    last = action["runs"]["steps"][-1]
    assert last["uses"].startswith("actions/upload-artifact@")
    assert "!cancelled()" in last["if"]
    assert last["with"]["path"] == "${{ steps.validate.outputs.report }}"


def test_the_actions_own_ref_is_installed_with_the_tested_versions(job: Job) -> None:
    ended = job.run("install", {"extras": "coreml,tflite"})
    assert ended.recorded[-3:] == ["-c", f"{ROOT}/constraints.txt", f"{ROOT}[coreml,tflite]"]


def test_another_version_and_a_networks_own_packages_can_be_installed(job: Job) -> None:
    ended = job.run("install", {"version": "0.1.0", "requirements": f"r {HOSTILE}"})
    assert ended.recorded[-3:] == ["maskport[all]==0.1.0", "-r", f"r {HOSTILE}"]
    assert not (job.folder / "pwned").exists()


@pytest.mark.slow
def test_the_cache_depends_on_what_is_installed(job: Job) -> None:
    keys = {
        job.run("environment", inputs).outputs["key"]
        for inputs in ({}, {"extras": "onnx"}, {"version": "0.1.0"})
    }
    assert len(keys) == 3
    again = job.run("environment", {})
    assert again.outputs["key"] in keys
    assert Path(again.outputs["folder"], "bin", "pip").is_file()
    assert again.outputs["cache"]


# The recipes.


def blocks(docs: str, section: str, language: str) -> list[str]:
    text = docs.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def recorded(script: str, shell: str, stand_ins: Path, folder: Path, **extra: str) -> Ended:
    """Run a recipe's commands with stand-ins first on the PATH."""
    record = folder / "record"
    environment = {"PATH": f"{stand_ins}:{os.environ['PATH']}", "RECORD": str(record), **extra}
    done = subprocess.run(
        [shell, "-e", "-c", script],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    words = record.read_text().split("\0")[:-1] if record.exists() else []
    return Ended(done.returncode, done.stdout + done.stderr, words, {}, "")


def test_the_workflow_gives_inputs_that_the_action_has(docs: str, action: dict[str, Any]) -> None:
    workflow = yaml.safe_load(blocks(docs, "GitHub", "yaml")[0])
    (step,) = [s for s in workflow["jobs"]["masks"]["steps"] if "maskport" in s["uses"]]
    assert step["with"].keys() <= action["inputs"].keys()
    assert yaml.safe_load(blocks(docs, "GitHub", "yaml")[1])


def test_the_inputs_are_listed(docs: str, action: dict[str, Any]) -> None:
    section = docs.split("\n## GitHub\n")[1].split("\n## ")[0]
    listed = dict(re.findall(r"^\| `([\w-]+)` \|.*\| (.*) \|$", section, re.MULTILINE))
    assert listed.keys() == action["inputs"].keys()
    for name, declared in action["inputs"].items():
        if declared.get("default"):
            assert listed[name] == f"`{declared['default']}`"


@pytest.mark.parametrize("code", [0, 1])
def test_gitlabs_recipe_runs_and_ends_with_the_exit_code(
    docs: str, stand_ins: Path, tmp_path: Path, code: int
) -> None:
    recipe = yaml.safe_load(blocks(docs, "GitLab", "yaml")[0])["masks"]
    _install, validate = recipe["script"]
    bundle = f"sky {HOSTILE}"
    ended = recorded(
        validate, "bash", stand_ins, tmp_path, BUNDLE=bundle, EXIT_CODE=str(code)
    )  # fmt: skip
    assert ended.code == code
    params = understood(ended.recorded)
    assert str(params["bundle"]) == bundle
    assert str(params["junit_out"]) == recipe["artifacts"]["reports"]["junit"]
    assert params["html"].parts[0] == params["json_out"].parts[0] == recipe["artifacts"]["paths"][0]
    assert recipe["artifacts"]["when"] == "always"


@pytest.mark.parametrize("code", [0, 1])
def test_jenkins_recipe_runs_and_ends_with_the_exit_code(
    docs: str, stand_ins: Path, tmp_path: Path, code: int
) -> None:
    (recipe,) = blocks(docs, "Jenkins", "groovy")
    (script,) = re.findall(r"sh '''(.*?)'''", recipe, re.DOTALL)
    assert "\\" not in script  # Groovy would read it before the shell does
    (tmp_path / ".maskport" / "bin").mkdir(parents=True)
    (tmp_path / ".maskport" / "bin" / "activate").write_text("")
    # The stand-ins for python have to succeed; maskport alone ends with the code.
    for name in ("python", "pip"):
        (stand_ins / name).write_text("#!/bin/sh\n")
    ended = recorded(script, "sh", stand_ins, tmp_path, BUNDLE="a b", EXIT_CODE=str(code))
    assert ended.code == code
    params = understood(ended.recorded)
    assert params["bundle"] == Path("a b")
    (junit,) = re.findall(r"junit testResults: '([^']+)'", recipe)
    assert str(params["junit_out"]) == junit
