"""What the engine can be told to do. Each command is one function; a registry names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from imageport.engine.agent import handover
from imageport.engine.agent.disks import image_disk
from imageport.guest.first_boot import collect
from imageport.guest.inspect import inspect
from imageport.guest.mount import open_guest
from imageport.guest.plan import PrepareOptions, plan
from imageport.guest.prepare import prepare, verify
from imageport.model.target import PROFILES, Provisioning, Target, TargetProfile


class Context(Protocol):
    """How a command tells what it is doing."""

    def progress(self, fraction: float, doing: str) -> None:
        """`fraction` is between 0 and 1."""

    def log(self, line: str) -> None:
        """Add a line to the command's log."""


class HandOver(Exception):  # noqa: N818  # not an error: how a command says "reboot into the image"
    """Raised by a command when everything is set for the image to be started."""


Args = dict[str, Any]


def inspect_image(args: Args, context: Context) -> Any:
    """What is inside, and what a preparation for `args["target"]` would change."""
    with open_guest(image_disk(), writable=False) as guest:
        context.progress(0.5, "reading the image")
        inspection = inspect(guest)
    return {
        "inspection": asdict(inspection),
        "plan": [asdict(change) for change in plan(inspection, *_wish(args))]
        if "target" in args
        else [],
    }


def prepare_image(args: Args, context: Context) -> Any:
    """Make the image fit its target, and read back what was changed."""
    target, options = _wish(args)
    with open_guest(image_disk(), writable=True) as guest:
        inspection = inspect(guest)
        done = prepare(guest, inspection, target, options, context.progress)
    return {"inspection": asdict(inspection), "preparation": asdict(done)}


def boot_image(args: Args, context: Context) -> Any:
    """Start the image's own OS on this machine; ends when the engine is back."""
    del args
    context.log(f"handing over to {image_disk()} ({handover.firmware()})")
    handover.set_one_shot(image_disk())
    raise HandOver


def verify_image(args: Args, context: Context) -> Any:
    """After the boot: what the guest reported, and whether every change is still in place."""
    target, options = _wish(args)
    with open_guest(image_disk(), writable=True) as guest:
        report = collect(guest)
        context.progress(0.3, "reading every change back")
        checks = verify(guest, inspect(guest), target, options)
    return {
        "first_boot": asdict(report) if report else None,
        "checks": [asdict(check) for check in checks],
    }


def _wish(args: Args) -> tuple[TargetProfile, PrepareOptions]:
    options = PrepareOptions(provisioning=Provisioning(args.get("provisioning", "mcs")))
    return PROFILES[Target(args["target"])], options


COMMANDS: dict[str, Callable[[Args, Context], Any]] = {
    "inspect": inspect_image,
    "prepare": prepare_image,
    "boot-image": boot_image,
    "verify": verify_image,
}
