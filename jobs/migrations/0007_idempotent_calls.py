"""Remember which request created a job, so that a repeated one creates no second."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_list_indexes")]

    operations = [
        migrations.AddField(model_name="job", name="call_digest", field=models.CharField(max_length=64, null=True)),
        migrations.AddField(model_name="job", name="call_body", field=models.CharField(max_length=64, null=True)),
        migrations.AddField(model_name="job", name="call_index", field=models.SmallIntegerField(null=True)),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                condition=models.Q(("call_digest__isnull", False)),
                fields=("project", "call_digest", "call_index"),
                name="jobs_job_one_of_call",
            ),
        ),
    ]
