"""The frame of the fix-ups that add a part of Citrix's software in the first boot."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from imageport.guest.fixup import FixUp, Step, Task
from imageport.guest.session import Session
from imageport.guest.windows import components
from imageport.guest.windows.components import Installer
from imageport.guest.windows.edits import copy_in
from imageport.guest.windows.inspect_software import citrix, installed
from imageport.guest.windows.installer import msi
from imageport.guest.windows.runner import FILES, RUN
from imageport.model.findings import Finding, Severity
from imageport.model.guest import Change, Check, OsFamily
from imageport.model.target import Provisioning
from imageport.model.windows_facts import CitrixComponent, CitrixPart


class AddPart(FixUp):
    """Nothing when the part is there and is not forced. On a VDA that is not supported the step
    fails and says why: the image is good without it, and the job goes on."""

    family = OsFamily.WINDOWS
    part: ClassVar[CitrixPart]
    title: ClassVar[str]
    option: ClassVar[str]
    """Citrix's name of the option."""
    only_mcs: ClassVar[bool] = True
    file: ClassVar[str] = "setup.msi"

    def asked(self, task: Task) -> bool:
        """Whether the user wants it, and it is not there as wanted."""
        raise NotImplementedError

    def wanted(self, task: Task) -> str | None:
        """The version or release to install."""
        raise NotImplementedError

    def command(self, place: str) -> str:
        """What installs the file at `place`."""
        raise NotImplementedError

    def applies(self, task: Task) -> bool:
        """See `asked`."""
        return self.asked(task)

    def findings(self, task: Task) -> tuple[Finding, ...]:
        """What is in the way: known before any work."""
        if self.only_mcs and task.options.provisioning is not Provisioning.MCS:
            return (self._needs_mcs(),)
        if self._unsupported(task):
            return (self._not_supported(task),)
        return () if self._installer(task) else (self._missing(task),)

    def plan(self, task: Task) -> tuple[Change, ...]:
        """The part, as it will be."""
        before = task.windows.component(self.part)
        version = before.version if before else None
        what = f"{self.title} is installed in the first boot"
        after = f"for {self.wanted(task) or 'any version'}"
        return (Change(self.name, what, rf"{FILES}\{self.part}", version, after),)

    def steps(self, task: Task) -> tuple[Step, ...]:
        """One."""
        name = f"install-{self.part}"
        if self._unsupported(task):
            why = f"echo {self.title} cannot be added to this VDA.\nexit /b 1"
            return (Step(name, why, required=False),)
        return (Step(name, self.command(rf"%files%\{self.part}\{self.file}"), required=True),)

    def apply(self, session: Session, task: Task) -> None:
        """Copy the installer."""
        found = self._installer(task)
        if found and not self._unsupported(task):
            source = Path(task.options.components or "") / found.path
            copy_in(session, source, rf"{FILES}\{self.part}\{self.file}")

    def verify(self, session: Session, task: Task) -> tuple[Check, ...]:
        """The installer is there; once it has run, the part is, as the registry says."""
        if self._unsupported(task):
            return ()
        if session.guest.find(RUN):
            there = session.guest.find(rf"{FILES}\{self.part}\{self.file}") is not None
            seen = "there" if there else "missing"
            return (Check(self.name, f"installer of {self.title}", there, seen),)
        products = tuple(installed(session.registry))
        found = {each.part: each for each in citrix(session.registry, products)}
        return (self.check_installed(found.get(self.part), task),)

    def check_installed(self, found: CitrixComponent | None, task: Task) -> Check:
        """Whether the part is as wanted, after the first boot."""
        seen = f"version {found.version}" if found else "missing"
        return Check(self.name, f"{self.title} is installed", found is not None, seen)

    def _unsupported(self, task: Task) -> bool:
        vda = task.windows.component(CitrixPart.VDA)
        return self.only_mcs and not components.supported(vda.version if vda else None)

    def _installer(self, task: Task) -> Installer | None:
        if not task.options.components:
            return None
        found = components.installers(task.options.components)
        return components.fitting(found, self.part, self.wanted(task))

    def _needs_mcs(self) -> Finding:
        return Finding(
            "guest.citrix-needs-mcs",
            Severity.BLOCKER,
            f"{self.option} adds a part of Machine Creation Services, and machines will be made "
            "by Citrix Provisioning.",
            f"Leave {self.option} out, or say --provisioning mcs.",
            {"option": self.option},
        )

    def _not_supported(self, task: Task) -> Finding:
        vda = task.windows.component(CitrixPart.VDA)
        there = f"VDA {vda.version}" if vda else "no VDA"
        return Finding(
            "guest.vda-unsupported",
            Severity.WARNING,
            f"{self.title} cannot be added: the image has {there}.",
            "Update the VDA in the master machine to a supported release (1912, 2203, 2402 or "
            "newer); the migration goes on without it.",
            {"option": self.option},
        )

    def _missing(self, task: Task) -> Finding:
        return Finding(
            "guest.component-missing",
            Severity.BLOCKER,
            f"The component source has no installer of {self.title} for "
            f"{self.wanted(task) or 'this VDA'}.",
            "Give a folder with it (--components), in a folder that is named by its version.",
            {"option": self.option, "version": self.wanted(task)},
        )


class AddVdaPart(AddPart):
    """An MSI in the VDA's own version."""

    def wanted(self, task: Task) -> str | None:
        """The VDA's release."""
        vda = task.windows.component(CitrixPart.VDA)
        return vda.version.split(".")[0] if vda and vda.version else None

    def command(self, place: str) -> str:
        """An MSI."""
        return msi(place, restart=True)
