"""Errors of the agent itself; those of its commands come from the guest layer."""

from __future__ import annotations

from imageport.model.errors import ImageportError


class UnknownCommand(ImageportError):
    """A command's name is not known here."""

    code = "engine.unknown-command"
    sentence = "The engine has no command {name}."
    remedy = "Engine and connector are of different versions: run `imageport engine build`."


class CommandConflict(ImageportError):
    """An id is used again for another command."""

    code = "engine.command-conflict"
    sentence = "The command id {id} is taken by another command ({name})."
    remedy = "Ask with a new id."


class EngineBusy(ImageportError):
    """One command at a time works on the image."""

    code = "engine.busy"
    sentence = "The engine is working on the command {running}."
    remedy = "Wait until it has ended."


class Interrupted(ImageportError):
    """The engine restarted while a command ran."""

    code = "engine.interrupted"
    sentence = "The engine restarted while it worked on {name}."
    remedy = "Run the job again: it goes on with this step."


class NoImageDisk(ImageportError):
    """There is not exactly one disk beside the engine's own."""

    code = "engine.no-image-disk"
    sentence = "The engine sees {count} disks beside its own instead of one: {disks}."
    remedy = "Look at the machine's disks; it is made with the engine's disk and the image's alone."


class HandoverImpossible(ImageportError):
    """The image cannot be started from inside the engine."""

    code = "engine.handover"
    sentence = "The engine cannot hand the machine over to the image: {detail}."
    remedy = "The image needs a boot partition for this machine's firmware ({firmware})."


class BootDataMissing(ImageportError):
    """No boot data: the engine does not know its keys."""

    code = "engine.no-boot-data"
    sentence = "The engine found no boot data (looked at: {places})."
    remedy = "The machine must be made by imageport, which gives it the keys of one job."


class BadDriverLibrary(ImageportError):
    """The driver library that was sent cannot be used."""

    code = "engine.bad-driver-library"
    sentence = "The driver library cannot be used: {detail}."
    remedy = "Give a folder of INF, SYS and CAT files, such as the content of virtio-win's ISO."
