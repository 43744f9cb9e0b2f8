"""The application: routes, limits, and what runs beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.alias_generators import to_camel

from imageport import __version__
from imageport.service.api import problems, tokens
from imageport.service.api.bell import Bell
from imageport.service.api.limits import BodyLimit, RateLimit
from imageport.service.api.metrics import Measured, Metrics
from imageport.service.api.routes import (
    credentials,
    health,
    images,
    jobs,
    organisation,
    places,
    work,
)
from imageport.service.api.routes import tokens as token_routes
from imageport.service.api.settings import Settings
from imageport.service.api.state import State
from imageport.service.api.unions import tell_apart
from imageport.service.errors import (
    KeyServiceAway,
    KeyServiceError,
    SecretUnreadable,
    StoreUnavailable,
)
from imageport.service.store import answers, claims
from imageport.service.store import jobs as job_store
from imageport.service.store.database import Database
from imageport.service.wallet.master import MasterKey
from imageport.service.wallet.wallet import Wallet
from imageport.traces.base import OFF, Traces
from imageport.wire.documents import Problem

_TIDY_SECONDS = 60.0
_LOG = logging.getLogger(__name__)


def create_app(
    store: Database, master: MasterKey, settings: Settings, traces: Traces = OFF
) -> FastAPI:
    """A replica over a store whose tables are this version's.

    Raises StoreOutdated, KeyServiceRefused, MasterKeyMissing, ...; starts while the key service is
    away.
    """
    store.check()
    state = _state(store, Wallet(master), settings, traces)
    try:
        _keep_keys(state)
    except KeyServiceAway as error:
        # Connectors need no wallet to go on with their jobs; what does is asked for every minute.
        _LOG.error("%s", error.message)
    app = _application()
    app.state.imageport = state
    app.add_middleware(
        BodyLimit,
        usual=settings.request_bytes,
        large=settings.result_bytes,
        large_prefix=work.PREFIX,
    )
    app.add_middleware(Measured, metrics=state.metrics)
    return app


def description() -> dict[str, Any]:
    """The API's OpenAPI document, as /ips/openapi.json has it."""
    return _application().openapi()


def _application() -> FastAPI:
    app = FastAPI(
        title="imageport",
        version=__version__,
        summary="Image Portability Service",
        openapi_url="/ips/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: to_camel(route.name),
    )
    for module in (token_routes, images, jobs, credentials, places, work, organisation, health):
        app.include_router(module.router)
    problems.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # as FastAPI's guide has it
    return app


def state_of(app: FastAPI) -> State:
    """What the application works with."""
    state: State = app.state.imageport
    return state


def _state(store: Database, wallet: Wallet, settings: Settings, traces: Traces) -> State:
    def waiting() -> set[str]:
        with store.reading() as tx:
            return claims.waiting(tx)

    def counts() -> dict[str, int]:
        with store.reading() as tx:
            return {status.value: count for status, count in job_store.counts(tx).items()}

    return State(
        settings,
        store,
        wallet,
        Bell(waiting, settings.poll_seconds),
        RateLimit(settings.requests_rate, settings.requests_burst),
        RateLimit(settings.logins_rate, settings.logins_burst),
        Metrics(counts),
        traces,
    )


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = state_of(app)
    tasks = [asyncio.create_task(state.bell.watch()), asyncio.create_task(_tidy(state))]
    yield
    state.bell.close()
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _tidy(state: State) -> None:
    """Forget what is over; every replica does, and none minds the others."""
    while True:
        for task in (_forget, _keep_keys):
            try:
                await asyncio.to_thread(task, state)
            except (StoreUnavailable, KeyServiceError, SecretUnreadable) as error:
                _LOG.warning("%s", error.message)
        await asyncio.sleep(_TIDY_SECONDS)


def _forget(state: State) -> None:
    with state.store.writing() as tx:
        job_store.forget_old(tx)
        answers.forget(tx, tx.now - state.settings.retention)


def _keep_keys(state: State) -> None:
    """Whatever is not under the newest master key, and keys of tokens that have had their time."""
    if count := state.wallet.rewrap(state.store):
        _LOG.info("%d keys are now wrapped by the newest master key", count)
    age, lifetime = state.settings.token_key_age, state.settings.token_lifetime
    tokens.renew_token_key(state.store, state.wallet, age, lifetime)


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        schema["components"]["schemas"]["Problem"] = Problem.model_json_schema(
            by_alias=True, mode="serialization"
        )
        tell_apart(schema)
        app.openapi_schema = schema
    return app.openapi_schema
