"""Operations on indexes of large tables: on PostgreSQL they let others write meanwhile.

Django's own, in ``django.contrib.postgres``, need psycopg and fail on SQLite.
"""

from typing import Any

from django.db import migrations


class AddIndex(migrations.AddIndex):
    """Add an index, concurrently where the database can; the migration must have ``atomic = False``."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Add it, as :func:`add_index` does."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            add_index(schema_editor, model, self.index)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Remove it."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.remove_index(model, self.index, **concurrently(schema_editor))


class RemoveIndex(migrations.RemoveIndex):
    """Remove an index, concurrently where the database can; the migration must have ``atomic = False``."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Remove it."""
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            index = from_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
            schema_editor.remove_index(model, index, **concurrently(schema_editor))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Add it again, as :func:`add_index` does."""
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
            add_index(schema_editor, model, index)


def add_index(schema_editor: Any, model: Any, index: Any) -> None:
    """Add an index in the way that :func:`concurrently` names; drop what an interrupted run has left of it."""
    connection, how = schema_editor.connection, concurrently(schema_editor)
    with connection.cursor() as cursor:
        left = connection.introspection.get_constraints(cursor, model._meta.db_table)
    if index.name in left:
        schema_editor.remove_index(model, index, **how)
    schema_editor.add_index(model, index, **how)


def concurrently(schema_editor: Any) -> dict[str, bool]:
    """Return the argument for it; none if the database cannot, or if the caller has opened a transaction."""
    can = hasattr(schema_editor, "sql_create_index_concurrently") and not schema_editor.connection.in_atomic_block
    return {"concurrently": True} if can else {}
