"""`/ips/resourceLocations` and `/ips/connectors`, as administrators see them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from imageport.service.api import views
from imageport.service.api.auth import Administrator, Reader
from imageport.service.api.once import Answer, Posted, note
from imageport.service.api.problems import located, responses
from imageport.service.api.state import Service
from imageport.service.store import places
from imageport.service.store.database import Tx
from imageport.wire.base import GUID_PATTERN
from imageport.wire.documents import (
    AnnouncedConnector,
    Connector,
    ConnectorList,
    LocationList,
    NewConnector,
    NewLocation,
    ResourceLocation,
)

router = APIRouter(prefix="/ips", tags=["places"])

Id = Annotated[str, Path(pattern=GUID_PATTERN)]


@router.get("/resourceLocations", responses=responses())
def list_locations(caller: Reader, service: Service) -> LocationList:
    """All resource locations by name."""
    with service.store.reading() as tx:
        found = places.list_locations(tx, caller.customer)
    return LocationList(items=tuple(map(views.location, found)))


@router.post(
    "/resourceLocations",
    status_code=201,
    response_model=ResourceLocation,
    responses={**located(201, "The resource location"), **responses(409)},
)
def add_location(body: NewLocation, caller: Administrator, asked: Posted) -> Response:
    """Make a resource location."""

    def effect(tx: Tx) -> Answer:
        row = places.add_location(tx, caller.customer, body.name, _limits(body))
        note(tx, caller, "location.add", row.id)
        return Answer(201, views.location(row), f"/ips/resourceLocations/{row.id}")

    return asked.once(caller, effect)


@router.get("/resourceLocations/{id}", responses=responses(404))
def read_location(id: Id, caller: Reader, service: Service) -> ResourceLocation:
    """A resource location."""
    with service.store.reading() as tx:
        return views.location(places.read_location(tx, caller.customer, id))


@router.put("/resourceLocations/{id}", responses=responses(404, 409))
def change_location(
    id: Id, body: NewLocation, caller: Administrator, service: Service
) -> ResourceLocation:
    """Another name, other limits; jobs under way go on."""
    with service.store.writing() as tx:
        row = places.change_location(tx, caller.customer, id, body.name, _limits(body))
        note(tx, caller, "location.change", id)
    service.bell.ring(id)
    return views.location(row)


def _limits(body: NewLocation) -> places.Limits:
    return places.Limits(body.max_jobs, body.max_jobs_by_platform)


@router.delete(
    "/resourceLocations/{id}",
    status_code=204,
    response_class=Response,
    responses=responses(404, 409),
)
def remove_location(id: Id, caller: Administrator, service: Service) -> Response:
    """Remove a resource location; refused while it has connectors or jobs."""
    with service.store.writing() as tx:
        places.remove_location(tx, caller.customer, id)
        note(tx, caller, "location.remove", id)
    return Response(status_code=204)


@router.get("/connectors", responses=responses())
def list_connectors(caller: Reader, service: Service) -> ConnectorList:
    """All connectors by name, and what each last said of itself."""
    with service.store.reading() as tx:
        found = places.list_connectors(tx, caller.customer)
        return ConnectorList(items=tuple(views.connector(tx, row) for row in found))


@router.post(
    "/connectors",
    status_code=201,
    response_model=AnnouncedConnector,
    responses={**located(201, "The connector, with its one-time code"), **responses(404)},
)
def add_connector(body: NewConnector, caller: Administrator, asked: Posted) -> Response:
    """Expect a connector; its one-time code is said here and never again."""

    def effect(tx: Tx) -> Answer:
        location = body.resource_location_id
        row, code = places.add_connector(tx, caller.customer, location, body.name)
        note(tx, caller, "connector.add", row.id)
        known = views.connector(tx, row).model_dump()
        return Answer(201, AnnouncedConnector(**known, code=code), f"/ips/connectors/{row.id}")

    return asked.once(caller, effect)


@router.get("/connectors/{id}", responses=responses(404))
def read_connector(id: Id, caller: Reader, service: Service) -> Connector:
    """A connector."""
    with service.store.reading() as tx:
        return views.connector(tx, places.read_connector(tx, caller.customer, id))


@router.delete(
    "/connectors/{id}", status_code=204, response_class=Response, responses=responses(404)
)
def remove_connector(id: Id, caller: Administrator, service: Service) -> Response:
    """Let a connector in no more; its jobs go to others when their leases have run out."""
    with service.store.writing() as tx:
        places.remove_connector(tx, caller.customer, id)
        note(tx, caller, "connector.remove", id)
    return Response(status_code=204)
