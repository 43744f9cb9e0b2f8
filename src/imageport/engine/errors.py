"""Errors of the connector's side of an engine."""

from __future__ import annotations

from imageport.model.errors import ImageportError


class EngineSilent(ImageportError):
    """The engine does not answer."""

    code = "engine.silent"
    sentence = "The engine at {address} did not answer within {seconds} s."
    remedy = "Run `imageport doctor`, and the command again when this computer is less busy."


class EngineRefused(ImageportError):
    """The engine answered with something that it should not say."""

    code = "engine.refused"
    sentence = "The engine at {address} answered {status}: {body}"
    remedy = "Engine and connector may be of different versions: run `imageport engine build`."


class CommandTimeout(ImageportError):
    """A command of the engine takes longer than it may."""

    code = "engine.command-timeout"
    sentence = "The engine's command {name} did not end within {seconds} s (it was {doing})."
    remedy = "Look at its log in the job's folder; a slower computer needs a longer time-out."


class LibraryUnusable(ImageportError):
    """A folder or an ISO image for the engine cannot be used."""

    code = "engine.library"
    sentence = "{path} cannot be used: {detail}."
    remedy = "Give a folder or an ISO image with driver packages (INF, SYS and CAT files)."
