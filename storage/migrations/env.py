"""What Alembic runs for each command: migrations on the connection that `storage.schema` hands over."""

from __future__ import annotations

from alembic import context

from storage.schema import TARGET

connection = context.config.attributes["connection"]
# SQLite cannot alter a column in place; batch mode copies the table.
context.configure(connection=connection, target_metadata=TARGET, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
