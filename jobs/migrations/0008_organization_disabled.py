"""Let an organization be disabled: its keys open nothing, its jobs wait."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0007_idempotent_calls")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="disabled_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="organization",
            index=models.Index(
                condition=models.Q(("disabled_at__isnull", False)), fields=["id"], name="jobs_organization_disabled"
            ),
        ),
    ]
