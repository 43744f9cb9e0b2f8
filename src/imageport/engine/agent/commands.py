"""What the engine can be told to do. Each command is one function; a registry names them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol
from uuid import UUID

from imageport.engine.agent import handover
from imageport.engine.agent.disks import image_disk
from imageport.engine.agent.folders import COLLECTION, COMPONENTS, DRIVERS, FOLDER
from imageport.guest.collecting.collect import collect as collect_all
from imageport.guest.first_boot import collect, goes_on, judged
from imageport.guest.fixup import Task
from imageport.guest.fixups import steps
from imageport.guest.inspect import inspect
from imageport.guest.mount import open_guest
from imageport.guest.plan import findings, plan
from imageport.guest.prepare import prepare, verify
from imageport.guest.uefi import convert as conversion
from imageport.guest.volumes import scan
from imageport.model.diagnostics import DiagnosticsWants
from imageport.model.guest import Inspection, PrepareOptions
from imageport.model.target import PROFILES, Controller, Provisioning, Target, TargetProfile
from imageport.model.wishes import Operation, XdParameter


class Context(Protocol):
    """How a command tells what it is doing."""

    def progress(self, fraction: float, doing: str) -> None:
        """`fraction` is between 0 and 1."""

    def log(self, line: str) -> None:
        """Add a line to the command's log."""


class HandOver(Exception):  # not an error: how a command says "reboot into the image"
    """Raised by a command when everything is set for the image to be started."""


Args = dict[str, Any]

_KEPT_INSPECTION = FOLDER / "inspection.pickle"
"""The inspection that a preparation was planned with; what follows the boot goes by the same."""


def inspect_image(args: Args, context: Context) -> Any:
    """What is inside; for `args["target"]`, what would be changed and what stands in its way."""
    with open_guest(image_disk(), writable=False) as guest:
        context.progress(0.5, "reading the image")
        inspection = inspect(guest)
    wish = _wish(args) if "target" in args else None
    return {
        "inspection": asdict(inspection),
        "findings": [asdict(found) for found in (findings(inspection, *wish) if wish else ())],
        "plan": [asdict(change) for change in (plan(inspection, *wish) if wish else ())],
    }


def prepare_image(args: Args, context: Context) -> Any:
    """Make the image fit its target, and read back what was changed."""

    def tell(what: str, done: int, total: int) -> None:
        context.progress(done / total, what)
        context.log(f"{done}/{total} {what}")

    with open_guest(image_disk(), writable=True) as guest:
        inspection = inspect(guest)
        _KEPT_INSPECTION.write_bytes(pickle.dumps(inspection))
        done = prepare(guest, inspection, *_wish(args), tell)
    return {"inspection": asdict(inspection), "preparation": asdict(done)}


def boot_image(args: Args, context: Context) -> Any:
    """Start the image's own OS on this machine; ends when the engine is back."""
    del args
    disk = image_disk()
    context.log(f"handing over to {disk} ({handover.firmware()})")
    handover.set_one_shot(disk)
    raise HandOver


def look_back(args: Args, context: Context) -> Any:
    """After a boot: whether its first-boot work needed a restart and goes on in another."""
    del args, context
    with open_guest(image_disk(), writable=False) as guest:
        return {"goes_on": goes_on(guest, _kept_inspection())}


def verify_image(args: Args, context: Context) -> Any:
    """After the boot: what the guest reported, and whether every change is still in place."""
    inspection = _kept_inspection()
    wish = _wish(args)
    with open_guest(image_disk(), writable=True) as guest:
        report = collect(guest)
        context.progress(0.3, "reading every change back")
        checks = verify(guest, inspection, *wish)
    if report:
        report = judged(report, steps(inspection.family, Task(inspection, *wish)))
    return {
        "first_boot": asdict(report) if report else None,
        "checks": [asdict(check) for check in checks],
    }


def _kept_inspection() -> Inspection:
    kept: Inspection = pickle.loads(_KEPT_INSPECTION.read_bytes())  # noqa: S301  # written by prepare
    return kept


def _wish(args: Args) -> tuple[TargetProfile, PrepareOptions]:
    wishes = dict(args.get("wishes", {}))
    parameters = wishes.pop("xd_reconfigure", ())
    controller = args.get("controller")
    options = PrepareOptions(
        operation=Operation(args.get("operation", "migrate")),
        controller=Controller(controller) if controller else None,
        provisioning=Provisioning(args.get("provisioning", "mcs")),
        drivers=str(DRIVERS) if DRIVERS.exists() else None,
        components=str(COMPONENTS) if COMPONENTS.exists() else None,
        isolated=bool(args.get("isolated")),
        xd_reconfigure=tuple(XdParameter(**each) for each in parameters),
        **wishes,
    )
    return PROFILES[Target(args["target"])], options


def plan_conversion(args: Args, context: Context) -> Any:
    """What converting the disk to GPT and UEFI would do, and what stands in its way."""
    context.progress(0.5, "reading the image")
    return asdict(conversion.plan(image_disk(), UUID(args["identity"])))


def convert_to_uefi(args: Args, context: Context) -> Any:
    """Convert the disk to GPT and UEFI, and read back what was changed."""

    def tell(what: str, done: int, total: int) -> None:
        context.progress(done / total, what)
        context.log(f"{done}/{total} {what}")

    return asdict(conversion.convert(image_disk(), UUID(args["identity"]), tell))


def collect_diagnostics(args: Args, context: Context) -> Any:
    """Collect logs and traces into one archive, which is then there to be fetched."""
    COLLECTION.unlink(missing_ok=True)
    disk = image_disk()
    wants = DiagnosticsWants(**args)
    return asdict(collect_all(disk, scan(disk), wants, COLLECTION, context.progress))


COMMANDS: dict[str, Callable[[Args, Context], Any]] = {
    "inspect": inspect_image,
    "prepare": prepare_image,
    "boot-image": boot_image,
    "look-back": look_back,
    "verify": verify_image,
    "plan-conversion": plan_conversion,
    "convert-to-uefi": convert_to_uefi,
    "collect": collect_diagnostics,
}
