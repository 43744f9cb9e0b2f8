"""Limits of locations, and the platform of each job, which they count by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Earlier versions knew the local platform alone."""
    op.add_column("locations", sa.Column("most_jobs", sa.Integer(), nullable=True))
    by_platform = sa.Column("most_by_platform", sa.JSON(none_as_null=True), nullable=True)
    op.add_column("locations", by_platform)
    platform = sa.Column("platform", sa.String(length=16), nullable=False, server_default="Local")
    op.add_column("jobs", platform)
