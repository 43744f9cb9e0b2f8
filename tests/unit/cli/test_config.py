"""The configuration file, as `serve` and `connector run` read it.

Both fail at what they were told here, and say it: who was heard is seen without a service.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from imageport.cli.main import application

PASSWORD = "postgresql://imageport:secret@db/imageport"  # noqa: S105  # is refused


pytestmark = pytest.mark.usefixtures("logs_as_before")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMAGEPORT_HOME", str(tmp_path))
    return tmp_path


def fails(*argv: str | Path, code: int = 1, **environment: str) -> str:
    done = CliRunner().invoke(application(), [*map(str, argv)], env=environment)
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_option_then_environment_then_file_then_default(home: Path) -> None:
    (home / "config.toml").write_text('[serve]\nhost = "192.0.2.1"\n')
    option = ("--host", "192.0.2.3")
    assert "not on 192.0.2.3." in fails("serve", *option, IMAGEPORT_HOST="192.0.2.2")
    assert "not on 192.0.2.2." in fails("serve", IMAGEPORT_HOST="192.0.2.2")
    assert "not on 192.0.2.1." in fails("serve")
    (home / "config.toml").write_text("")
    # The default host is let through to what is looked at next.
    assert "(store.password-in-url)" in fails("serve", "--database", PASSWORD)


def test_a_file_that_is_named_is_read_instead(home: Path, tmp_path: Path) -> None:
    (home / "config.toml").write_text('[serve]\nhost = "192.0.2.1"\n')
    one = write(tmp_path / "one.toml", '[serve]\nhost = "192.0.2.11"\n')
    two = write(tmp_path / "two.toml", '[serve]\nhost = "192.0.2.12"\n')
    assert "not on 192.0.2.12." in fails("serve", IMAGEPORT_CONFIG=str(two))
    assert "not on 192.0.2.11." in fails("serve", "--config", one, IMAGEPORT_CONFIG=str(two))


def test_each_command_has_its_table(home: Path) -> None:
    images = home / "images"
    images.mkdir()
    text = f'[serve]\nhost = "192.0.2.1"\n[connector]\nimages = ["{images}"]\nslots = 2\n'
    (home / "config.toml").write_text(text)
    assert "(connector.not-registered)" in fails("connector", "run")
    (home / "config.toml").write_text("[serve]\n")
    assert "Missing option '--images'" in fails("connector", "run", code=2)


def test_values_of_every_kind_arrive(home: Path) -> None:
    certificate = home / "tls.pem"
    folders = [home / "a", home / "b"]
    for folder in folders:
        folder.mkdir()
    (home / "config.toml").write_text(
        f"""
        [serve]
        host = "0.0.0.0"
        port = 8480
        tls-certificate = "{certificate}"
        images = ["{folders[0]}", "{folders[1]}"]
        connector = false
        keep-jobs = 0.5
        log = "json"
        database = "{PASSWORD}"
        """
    )
    assert "(store.password-in-url)" in fails("serve")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[serv]", "(config.unknown) the table 'serv' Did you mean 'serve'?"),
        ('[serve]\nhots = "::"', "(config.unknown) [serve] the key 'hots' Did you mean 'host'?"),
        ("[serve]\ntls_key = 'k'", "(config.unknown) 'tls_key' Did you mean 'tls-key'?"),
        ("[serve]\nzebra = 1", "(config.unknown) 'zebra' Leave it out (there are: host, port,"),
        ("[serve]\nconfig = 'x'", "(config.unknown) 'config'"),
        ("[serve]\njson = true", "(config.unknown) 'json'"),
        ("serve = 1", "(config.invalid) serve: it is no table"),
        ("[serve]\nport = 'x'", "(config.invalid) for port:"),
        ("[serve]\nport = true", "(config.invalid) port: true or false does not fit."),
        ("[serve]\nslots = 0", "(config.invalid) slots:"),
        ("[serve]\nimages = '/'", "(config.invalid) images: a list is needed."),
        ("[serve]\nimages = ['/no/where']", "(config.invalid) images: '/no/where'"),
        ("[serve]\nhost = ['::']", "(config.invalid) host: a list does not fit."),
        ("[serve]\nconnector = 'no'", "(config.invalid) connector: true or false is needed."),
        ("[serve]\nlog = 'loud'", "(config.invalid) log: 'loud'"),
        ("[serve", "(config.unreadable) it is no TOML"),
        ("\x00", "(config.unreadable) it is no TOML"),
    ],
)
def test_a_bad_file_is_refused(home: Path, text: str, said: str) -> None:
    (home / "config.toml").write_text(text)
    output = fails("serve")
    assert str(home / "config.toml") in output
    for part in said.split():
        assert part in output, output


def test_a_file_that_cannot_be_read(home: Path) -> None:
    assert "(config.unreadable)" in fails("serve", "--config", home / "missing.toml")
    assert "(config.unreadable)" in fails("connector", "run", "--config", home)
    binary = home / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert "it is no TOML" in fails("serve", IMAGEPORT_CONFIG=str(binary))


def test_help_needs_no_good_file(home: Path) -> None:
    (home / "config.toml").write_text("[serve")
    assert "--config" in fails("serve", "--help", code=0)
