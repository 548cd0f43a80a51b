"""Alembic's way in: runs the revisions on the connection that `migrate` was given."""

from alembic import context

from traces.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
