"""The files below `deploy/`: against the schemas of those who read them, and against our code."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose
from typer.testing import CliRunner

from imageport.cli import doctor
from imageport.cli.main import application

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
KUBERNETES = ("1.29", "1.37")
"""The oldest and the newest release whose schemas the manifests are held against."""


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield f"{path.name}: {document['kind']} {document['metadata']['name']}", document


MANIFESTS = dict(_documents())


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize("release", KUBERNETES)
def test_manifest_is_what_kubernetes_takes(name: str, release: str) -> None:
    assert kubernetes_validate.validate(MANIFESTS[name], release, strict=True) == release


def test_a_manifest_that_is_none_would_be_seen() -> None:
    bad = json.loads(json.dumps(MANIFESTS["service.yaml: Deployment imageport"]))
    bad["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bad, KUBERNETES[-1], strict=True)


def _compose(name: str) -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return said


@pytest.mark.parametrize("name", ["compose.yaml", "compose.kvm.yaml"])
def test_compose_file_is_what_the_specification_says(name: str) -> None:
    text = json.dumps(_compose(name)).replace(
        "${KVM_GROUP:?}", "106"
    )  # as compose would fill it in
    PyCompose.from_json(text).validate()


def test_what_is_mounted_is_there() -> None:
    """Every name that a file of `deploy/` refers to is one that it, or the steps, make."""
    document = _compose("compose.yaml")
    for service in document["services"].values():
        sources = [each.split(":")[0] for each in service.get("volumes", [])]
        named = {each for each in sources if not each.startswith(".")}
        assert named <= set(document["volumes"])
        files = [each for each in sources if each.startswith("./") and "secrets/" not in each]
        assert all((DEPLOY / each).exists() for each in files)
    assert set(_compose("compose.kvm.yaml")["services"]) <= set(document["services"])
    steps = (ROOT / "docs/operations.md").read_text()
    text = (DEPLOY / "compose.yaml").read_text()
    assert [each for each in re.findall(r"\./(secrets/[\w.-]+)", text) if each not in steps] == []


def test_what_a_pod_mounts_is_there() -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in MANIFESTS.values()}
    mounted = set()
    for manifest in MANIFESTS.values():
        pod = manifest["spec"].get("template", {}).get("spec", {}) if "spec" in manifest else {}
        for volume in pod.get("volumes", []):
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                if "secret" in source:
                    mounted.add(("Secret", source["secret"]["secretName"]))
                if "configMap" in source:
                    mounted.add(("ConfigMap", source["configMap"]["name"]))
                if "persistentVolumeClaim" in source:
                    claim = source["persistentVolumeClaim"]["claimName"]
                    mounted.add(("PersistentVolumeClaim", claim))
    assert len(mounted) == 5
    assert mounted <= there


def _configurations() -> dict[str, str]:
    manifest = MANIFESTS["config.yaml: ConfigMap imageport"]
    return {
        "compose": (DEPLOY / "config.toml").read_text(),
        "kubernetes": manifest["data"]["config.toml"],
    }


@pytest.mark.usefixtures("logs_as_before")
@pytest.mark.parametrize("of", ["compose", "kubernetes"])
def test_the_commands_take_the_configuration(
    of: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEPORT_HOME", str(tmp_path))
    text = _configurations()[of].replace("/srv/images", str(tmp_path))
    assert set(tomllib.loads(text)) == {"serve", "connector"}
    # What containers mount is not here: each command gets as far as to miss it.
    database = f"sqlite:///{tmp_path}/service.db"
    for table, words, missed in [
        ("serve", ["serve", "--database", database], "wallet.master-key"),
        ("connector", ["connector", "run"], "connector.not-registered"),
    ]:
        path = tmp_path / f"{table}.toml"
        path.write_text(text)
        done = CliRunner().invoke(application(), [*words, "--config", str(path)])
        assert done.exit_code == 1
        assert f"({missed})" in done.output


def test_every_variable_is_one_that_the_program_reads() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    named = set(re.findall(r"IMAGEPORT_\w+", "".join(path.read_text() for path in files)))
    assert {"IMAGEPORT_CONFIG", "IMAGEPORT_ENGINES", "IMAGEPORT_HOME"} <= named
    assert [name for name in sorted(named) if f'"{name}"' not in sources] == []


def _stages() -> dict[str, set[str]]:
    """The Debian packages that each stage of the container file installs."""
    stages: dict[str, set[str]] = {}
    for text in re.split(r"^FROM ", CONTAINERFILE, flags=re.M)[1:]:
        first, _, rest = text.partition("\n")
        name = first.partition(" AS ")[2] or "final"
        lines = rest.replace("\\\n", " ")
        installed = re.findall(r"--no-install-recommends ([^&\n]*)", lines)
        stages[name] = set(" ".join(installed).split())
    return stages


def test_the_image_has_the_packages_that_jobs_need() -> None:
    """Those that `imageport doctor` asks for: what jobs run, and what the engine is built with."""
    running = {*doctor.TOOLS.values(), *doctor.FILES.values()}
    building = {*doctor.BUILDING_TOOLS.values(), *doctor.BUILDING_FILES.values()}
    stages = _stages()
    assert stages["final"] == running | {"tini"}
    assert stages["engine"] == building | {"qemu-utils"}  # the engine is a qcow2


def test_the_makefile_installs_the_same_packages() -> None:
    listed = re.findall(r"^PACKAGES := ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text(), re.M)
    of_makefile = set(" ".join(listed).replace("\\", " ").split())
    only_here = {"ca-certificates", "python3", "tini"}
    assert set().union(*_stages().values()) - of_makefile == only_here


def test_what_runs_is_locked_as_what_is_tested() -> None:
    tested, running = _pins("requirements.lock"), _pins("requirements-run.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[^A-Za-z0-9._-]", each)[0] for each in project["dependencies"]}
    assert wanted <= set(running)
    assert "pytest" in tested
    assert "pytest" not in running
    assert [name for name in running if running[name] != tested.get(name, running[name])] == []


def _pins(name: str) -> dict[str, tuple[str, ...]]:
    """Each package's version and hashes."""
    text = (ROOT / name).read_text()
    found = re.findall(r"^([\w.-]+)(==.*(?:\n    --hash.*)+)", text, re.M)
    return {package: tuple(re.findall(r"==\S+|sha256:\w+", rest)) for package, rest in found}


def test_the_probes_ask_what_the_service_answers() -> None:
    from imageport.service.api.routes.health import router  # noqa: PLC0415  # for this test alone

    routes = {route.path for route in router.routes}  # type: ignore[attr-defined]
    files = "".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file())
    asked = set(re.findall(r"/(?:healthz|readyz)", files))
    assert asked == {"/healthz", "/readyz"}
    assert asked <= routes
