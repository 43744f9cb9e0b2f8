"""`--guest NAME[=VALUE]`: what is asked of the guest, by Citrix's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from imageport.model.errors import ImageportError
from imageport.model.wishes import GuestWishes, XdParameter

_FLAGS: Final = {
    "InstallMisa": "install_misa",
    "ForceMisa": "force_misa",
    "InstallMcsio": "install_mcsio",
    "ForceMcsio": "force_mcsio",
    "DomainUnjoin": "domain_unjoin",
    "UnjoinAnyway": "unjoin_anyway",
    "EnableRdp": "enable_rdp",
    "Chkdsk": "chkdsk",
    "Defrag": "defrag",
    "TemporaryDisk": "temporary_disk",
    "PvsDowngrade": "pvs_downgrade",
}
_INSTALL_PVS: Final = "InstallPvs"
_XD_RECONFIGURE: Final = "XdReconfigure"
HELP: Final = (
    f"Windows: {', '.join(_FLAGS)}, {_INSTALL_PVS}=VERSION, {_XD_RECONFIGURE}=NAME[=VALUE]; "
    "may be given more than once."
)


class GuestOptionUnknown(ImageportError):
    """`--guest` was given something that is none of its options."""

    code = "cli.guest-option"
    sentence = "--guest {option} is none of the options: {detail}."
    remedy = "`imageport migrate --help` lists them."


def wishes(options: Sequence[str]) -> GuestWishes:
    """Read them, in any case. Raises `GuestOptionUnknown`."""
    found: dict[str, Any] = {}
    parameters: list[XdParameter] = []
    flags = {name.casefold(): field for name, field in _FLAGS.items()}
    for option in options:
        name, _, value = option.partition("=")
        if name.casefold() in flags and not value:
            found[flags[name.casefold()]] = True
        elif name.casefold() == _INSTALL_PVS.casefold() and value:
            found["install_pvs"] = value
        elif name.casefold() == _XD_RECONFIGURE.casefold() and value:
            key, _, text = value.partition("=")
            parameters.append(XdParameter(key.lower().lstrip("/"), text))
        else:
            detail = "it takes no value" if name.casefold() in flags else "unknown, or no value"
            raise GuestOptionUnknown(option=option, detail=detail)
    return GuestWishes(xd_reconfigure=tuple(parameters), **found)
