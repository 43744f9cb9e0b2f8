"""Requests to AWS that are no blocks: repeated and judged as those of `disk.ends.ebs`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from imageport.disk.ends.ebs.api import EbsAccount, sdk_client
from imageport.disk.ends.ebs.errors import SDK_ERRORS, judged
from imageport.disk.ends.errors import AddressError
from imageport.disk.ends.retry import RetryBudget

T = TypeVar("T")

_PATIENCE = 20.0
"""Seconds: whoever looks or cleans up is waited for."""


class AwsApi:
    """Clients of the SDK for one account and region, made when they are needed."""

    def __init__(self, account: EbsAccount, *, patience: float = _PATIENCE) -> None:
        self.account = replace(account, patience=min(patience, account.patience))
        self.name = f"ebs://{account.region}/"
        self._budget = RetryBudget(self.name, patience=self.account.patience)

    @functools.cached_property
    def ebs(self) -> Any:
        """Blocks of snapshots."""
        return self._client("ebs", self.account.endpoint)

    @functools.cached_property
    def ec2(self) -> Any:
        """Snapshots as a whole."""
        return self._client("ec2", self.account.ec2_endpoint)

    @functools.cached_property
    def sts(self) -> Any:
        """Who one is."""
        return self._client("sts", self.account.ec2_endpoint)

    def run(self, send: Callable[[], T]) -> T:
        """What `send` gives, asked again for what may pass. Raises `EndError`."""

        def attempt() -> T:
            try:
                return send()
            except SDK_ERRORS as error:
                raise judged(error, self.name, 0) from None

        return self._budget.run(attempt)

    def _client(self, service: str, endpoint: str | None) -> Any:
        try:
            return sdk_client(service, self.account, endpoint)
        except SDK_ERRORS as error:
            raise AddressError(file=self.name, detail=str(error)) from None
