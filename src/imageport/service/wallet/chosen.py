"""Which master keys the service was told to use."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from imageport.service.errors import MasterKeyMisnamed
from imageport.service.wallet.aws_kms import AwsKms
from imageport.service.wallet.local import LocalMasterKey, from_file
from imageport.service.wallet.master import MasterKey, Ring
from imageport.service.wallet.vault import VaultTransit

VARIABLE = "IMAGEPORT_MASTER_KEY"
"""May hold keys themselves; a file is better kept from other eyes, a key service best."""
_AWS_KMS, _VAULT = "aws-kms:", "vault:"
_KIND = re.compile(r"[a-z0-9-]+:")


def master_key(said: Sequence[str], usual: Path) -> MasterKey:
    """Those that `said` names, the newest first, then those of the environment; or the usual file.

    Asks no key service yet. Raises MasterKeyInvalid, MasterKeyMisnamed.
    """
    # What only unwraps has wrapped something: a new file would hide a wrong name.
    named = [_named(each, newest=number == 0) for number, each in enumerate(said)]
    if text := os.environ.get(VARIABLE):
        named.append(LocalMasterKey(text, f"the environment variable {VARIABLE}"))
    first, *older = named or [from_file(usual, make=True)]
    return Ring(first, older) if older else first


def _named(said: str, *, newest: bool) -> MasterKey:
    if said.startswith(_AWS_KMS):
        return AwsKms(said.removeprefix(_AWS_KMS))
    if said.startswith(_VAULT):
        return VaultTransit(said.removeprefix(_VAULT))
    if _KIND.match(said):
        raise MasterKeyMisnamed(said=said, detail="there is no such kind; a file would be ./NAME")
    return from_file(Path(said), make=newest)
