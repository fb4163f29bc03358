from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("hostapp", "0003_albums")]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("owner", models.CharField(max_length=256)),
                ("file", models.FileField(blank=True, upload_to="")),
                ("cover", models.FileField(blank=True, null=True, upload_to="")),
            ],
        ),
    ]
