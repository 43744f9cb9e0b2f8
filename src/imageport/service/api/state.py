"""What every route works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from imageport.service.api.bell import Bell
from imageport.service.api.limits import RateLimit
from imageport.service.api.metrics import Metrics
from imageport.service.api.settings import Settings
from imageport.service.store.database import Database
from imageport.service.wallet.wallet import Wallet
from imageport.traces.base import Traces


@dataclass(frozen=True)
class State:
    """One replica of the service."""

    settings: Settings
    store: Database
    wallet: Wallet
    bell: Bell
    requests: RateLimit
    logins: RateLimit
    metrics: Metrics
    traces: Traces


def state_of(request: Request) -> State:
    """The application's."""
    state: State = request.app.state.imageport
    return state


Service = Annotated[State, Depends(state_of)]
