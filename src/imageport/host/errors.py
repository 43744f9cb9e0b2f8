"""Errors of the computer that imageport runs on."""

from __future__ import annotations

from imageport.model.errors import ImageportError


class ToolMissing(ImageportError):
    """A program that is needed is not installed."""

    code = "host.tool-missing"
    sentence = "The program {tool} is not installed on this computer."
    remedy = "Install it (`imageport doctor` names the package), or run `make setup`."


class ToolFailed(ImageportError):
    """A program ended with an error."""

    code = "host.tool-failed"
    sentence = "{tool} failed with exit code {exit_code}: {output}"
    remedy = "Read its message; `imageport doctor` checks what this computer has."


class ToolTimeout(ImageportError):
    """A program took longer than it may."""

    code = "host.tool-timeout"
    sentence = "{tool} did not end within {seconds} s."
    remedy = "Try again on a less busy computer; if it hangs again, report it with the log."


class Busy(ImageportError):
    """Another process holds a lock that is needed."""

    code = "host.busy"
    sentence = "Another imageport process is working on {what}."
    remedy = "Wait for it to end, or stop it, and run the command again."


class IsoInvalid(ImageportError):
    """A file is no ISO image that can be read."""

    code = "host.iso-invalid"
    sentence = "{path} is no ISO image with ISO 9660 files: {detail}."
    remedy = "Give a folder with the image's content, or fetch the image again."
