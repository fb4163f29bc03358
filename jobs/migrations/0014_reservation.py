"""Hand due jobs to an engine that the host has: until when one is left to it, and which processes do what."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0013_words")]

    operations = [
        migrations.AddField(model_name="job", name="reserved_until", field=models.DateTimeField(null=True)),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("reserved_until__isnull", False), ("status", "scheduled")),
                fields=["reserved_until"],
                name="jobs_job_reserved",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="kind",
            field=models.CharField(
                choices=[("worker", "Worker"), ("engine", "Engine"), ("dispatcher", "Dispatcher")],
                db_default="worker",
                default="worker",
                max_length=10,
            ),
        ),
    ]
