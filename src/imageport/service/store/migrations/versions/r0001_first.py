"""The first tables.

A migration is never changed once it was published: `tests/contract/service` compares what all of
them make with `tables.py`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from imageport.service.store.tables import Utc

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "customers",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
    )
    op.create_table(
        "token_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("master", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_token_keys"),
    )
    op.create_table(
        "answers",
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_answers_customer"),
        sa.PrimaryKeyConstraint("customer", "key", name="pk_answers"),
    )
    op.create_index("ix_answers_created_at", "answers", ["created_at"], unique=False)
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("what", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_audit_customer"),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
    op.create_index("ix_audit_customer_number", "audit", ["customer", "number"], unique=False)
    op.create_table(
        "clients",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_clients_customer"),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
    )
    op.create_index("ix_clients_customer", "clients", ["customer"], unique=False)
    op.create_table(
        "data_keys",
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("master", sa.String(length=64), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_data_keys_customer"),
        sa.PrimaryKeyConstraint("customer", "number", name="pk_data_keys"),
    )
    op.create_table(
        "locations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_locations_customer"),
        sa.PrimaryKeyConstraint("id", name="pk_locations"),
    )
    op.create_index("ix_locations_customer_name", "locations", ["customer", "name"], unique=True)
    op.create_table(
        "connectors",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("location", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=True),
        sa.Column("code_until", Utc(), nullable=True),
        sa.Column("signing_key", sa.Text(), nullable=True),
        sa.Column("sealing_key", sa.Text(), nullable=True),
        sa.Column("version", sa.String(length=32), nullable=True),
        sa.Column("health", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("seen_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_connectors_customer"),
        sa.ForeignKeyConstraint(["location"], ["locations.id"], name="fk_connectors_location"),
        sa.PrimaryKeyConstraint("id", name="pk_connectors"),
    )
    op.create_index("ix_connectors_customer", "connectors", ["customer"], unique=False)
    op.create_index("ix_connectors_location", "connectors", ["location"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("data_key", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer", "data_key"],
            ["data_keys.customer", "data_keys.number"],
            name="fk_credentials_customer_data_key",
        ),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_credentials_customer"),
        sa.PrimaryKeyConstraint("customer", "id", name="pk_credentials"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer", sa.String(length=128), nullable=False),
        sa.Column("location", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("started_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("forget_at", Utc(), nullable=True),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("claimable_at", Utc(), nullable=True),
        sa.Column("connector", sa.String(length=36), nullable=True),
        sa.Column("step", sa.String(length=64), nullable=True),
        sa.Column("title", sa.String(length=256), nullable=True),
        sa.Column("done", sa.Float(), nullable=False),
        sa.Column("total", sa.Float(), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("percent", sa.Float(), nullable=False),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["connector"], ["connectors.id"], name="fk_jobs_connector", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="fk_jobs_customer"),
        sa.ForeignKeyConstraint(["location"], ["locations.id"], name="fk_jobs_location"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index(
        "ix_jobs_customer_created_at_id", "jobs", ["customer", "created_at", "id"], unique=False
    )
    op.create_index("ix_jobs_forget_at", "jobs", ["forget_at"], unique=False)
    op.create_index(
        "ix_jobs_location_claimable_at", "jobs", ["location", "claimable_at"], unique=False
    )
    op.create_table(
        "leases",
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("fence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("connector", sa.String(length=36), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("until", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_leases_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "fence", name="pk_leases"),
    )
    op.create_table(
        "log_lines",
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("fence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_log_lines_job", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "fence", "number", name="pk_log_lines"),
    )
