"""Add the identity that an API key keeps when it is replaced."""

from typing import Any

from django.db import migrations, models


def fill(apps: Any, schema_editor: Any) -> None:
    """Follow the replacements made so far; a key is older than the one that replaces it."""
    keys = apps.get_model("jobs", "ApiKey").objects.using(schema_editor.connection.alias)
    firsts: dict[int, int] = {}
    for pk, replaced in keys.filter(replaces__isnull=False).order_by("pk").values_list("pk", "replaces"):
        firsts[pk] = firsts.get(replaced, replaced)
        keys.filter(pk=pk).update(first_key_id=firsts[pk])


class Migration(migrations.Migration):
    dependencies = [("jobs", "0020_interruptions")]

    operations = [
        migrations.AddField(
            model_name="apikey", name="first_key_id", field=models.BigIntegerField(null=True, editable=False)
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
