"""Whether a database that counts as migrated has what the models ask for.

Before the first release migrations are rewritten and not added to: a database that an older version made is then taken
for migrated, and every page that needs what it lacks would fail.
"""

from typing import Final

from django.apps import apps
from django.db import connection

COLUMNS: Final = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = ANY(%s)
"""
NAMES: Final = """
SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT conname FROM pg_constraint WHERE connamespace = to_regnamespace(current_schema())
"""


def fits() -> bool:
    """Whether the tables have the models' columns, none besides (an insert would leave it empty), and their indexes."""
    models = [model._meta for model in apps.get_models(include_auto_created=True)]
    columns = {(model.db_table, field.column) for model in models for field in model.local_concrete_fields}
    names = {each.name for model in models for each in (*model.indexes, *model.constraints)}
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [[model.db_table for model in models]])
        if set(cursor.fetchall()) != columns:
            return False
        cursor.execute(NAMES)
        return names <= {name for (name,) in cursor.fetchall()}
