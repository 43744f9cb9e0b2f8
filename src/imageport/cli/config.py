"""The configuration file: options of commands that run for long, written down in TOML.

A table for each command, named as in `TABLES`; a key is the name of an option. What the command
line or the environment says comes first.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from typer.core import TyperOption

from imageport.cli.edge import edge
from imageport.host.home import home
from imageport.model.errors import ImageportError

TABLES = {"serve": "serve", "run": "connector"}
"""The command's own name, and that of its table."""

_NOT_THERE = {"config", "help", "json"}


class ConfigUnreadable(ImageportError):
    """The configuration file cannot be read."""

    code: ClassVar[str] = "config.unreadable"
    sentence: ClassVar[str] = "The configuration file {path} cannot be read: {detail}."
    remedy: ClassVar[str] = "Name a TOML file with --config or IMAGEPORT_CONFIG, or leave it out."


class ConfigUnknown(ImageportError):
    """The configuration file says what nobody reads."""

    code: ClassVar[str] = "config.unknown"
    sentence: ClassVar[str] = "The configuration file {path} has {what} {name!r}, which is unknown."
    remedy: ClassVar[str] = "{hint} (there are: {known})."


class ConfigInvalid(ImageportError):
    """A value in the configuration file does not fit its option."""

    code: ClassVar[str] = "config.invalid"
    sentence: ClassVar[str] = "The configuration file {path} has a wrong value for {key}: {detail}."
    remedy: ClassVar[str] = "Correct it; `--help` says what the option takes."


def _apply(context: typer.Context, given: Path | None) -> Path | None:
    """Make the file's values the command's defaults."""
    if context.resilient_parsing:
        return given
    with edge():
        path = given or home() / "config.toml"
        if given or path.exists():
            context.default_map = _defaults(context, path)
    return given


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file with options; by default `config.toml` in the state folder, when it is "
        "there.",
        envvar="IMAGEPORT_CONFIG",
        # First, so that all other options find what it says.
        is_eager=True,
        callback=_apply,
    ),
]


def _defaults(context: typer.Context, path: Path) -> dict[str, Any]:
    """By the parameters' names. Raises ConfigUnreadable, ConfigUnknown, ConfigInvalid."""
    document = _document(path)
    for name in document:
        _check_known(path, "the table", name, list(TABLES.values()))
    table = TABLES[context.command.name or ""]
    said = document.get(table, {})
    if not isinstance(said, dict):
        raise ConfigInvalid(path=str(path), key=table, detail="it is no table")
    options = _options(context)
    for key, value in said.items():
        _check_known(path, f"in [{table}] the key", key, list(options))
        try:
            _check_value(context, options[key], value)
        except typer.BadParameter as error:
            detail = error.message.rstrip(".")
            raise ConfigInvalid(path=str(path), key=key, detail=detail) from error
    return {options[key].name: value for key, value in said.items()}


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigUnreadable(path=str(path), detail=error.strerror) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigUnreadable(path=str(path), detail=f"it is no TOML ({error})") from error


def _options(context: typer.Context) -> dict[str, TyperOption]:
    """Each option under its name without dashes."""
    found = [each for each in context.command.params if isinstance(each, TyperOption)]
    named = {each.opts[0].removeprefix("--"): each for each in found}
    return {name: each for name, each in named.items() if name not in _NOT_THERE}


def _check_known(path: Path, what: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "Leave it out"
    raise ConfigUnknown(path=str(path), what=what, name=name, hint=hint, known=", ".join(known))


def _check_value(context: typer.Context, option: TyperOption, value: Any) -> None:
    """Raises BadParameter, also for what the option would take for something else."""
    if isinstance(value, list) != option.multiple:
        raise typer.BadParameter("a list" + _but(option.multiple))
    if isinstance(value, bool) != option.is_flag:
        raise typer.BadParameter("true or false" + _but(option.is_flag))
    option.process_value(context, value)


def _but(wanted: bool) -> str:
    return " is needed" if wanted else " does not fit"
