"""`/ips/status` for customers; `/healthz`, `/readyz`, `/metrics` for whoever runs the service."""

from __future__ import annotations

from fastapi import APIRouter, Response

from imageport import __version__
from imageport.service.api import tokens, views
from imageport.service.api.auth import Reader
from imageport.service.api.problems import problem, responses
from imageport.service.api.state import Service
from imageport.service.store import jobs
from imageport.wire.documents import Health, Status

router = APIRouter(tags=["health"])


@router.get("/ips/status", responses=responses())
def read_status(caller: Reader, service: Service) -> Status:
    """How the service is, and what it has of this customer."""
    with service.store.reading() as tx:
        return Status(
            status="ok",
            version=__version__,
            jobs=jobs.counts(tx, caller.customer),
            connectors_online=views.online(tx, caller.customer),
        )


@router.get("/healthz")
def read_health() -> Health:
    """The process answers."""
    return Health(status="ok", version=__version__)


@router.get("/readyz", responses={503: responses(503)[503], 500: responses(500)[500]})
def read_readiness(service: Service) -> Health:
    """The database answers and has this version's tables, and the master key is to be had.

    When the key service was there and no longer is, the replica still serves what needs no wallet,
    such as connectors at work: `degraded`, and why.
    """
    service.store.check()
    wallet, settings = service.wallet, service.settings
    if not wallet.worked:
        tokens.ensure_token_key(
            service.store, wallet, settings.token_key_age, settings.token_lifetime
        )
        wallet.reading(service.store, wallet.token_keys)
    # Asked anew, a key service that is silent would take longer than a balancer waits.
    if wallet.failure:
        return Health(status="degraded", version=__version__, problem=problem(wallet.failure))
    return Health(status="ok", version=__version__)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "The metrics",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        503: responses(503)[503],
    },
)
def read_metrics(service: Service) -> Response:
    """For Prometheus. No label names a customer."""
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")
