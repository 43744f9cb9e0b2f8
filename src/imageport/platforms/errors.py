"""Errors that every platform may give."""

from __future__ import annotations

from imageport.model.errors import ImageportError


class MachineDied(ImageportError):
    """A machine ended by itself."""

    code = "platform.machine-died"
    sentence = "The machine {machine} ended unexpectedly: {output}"
    remedy = "Look at its log in the job's folder; `imageport doctor` checks this computer."


class HardwareUnknown(ImageportError):
    """The platform cannot give this hardware."""

    code = "platform.no-such-hardware"
    sentence = "This platform has no hardware named {name}."
    remedy = "Choose one of: {known}."
