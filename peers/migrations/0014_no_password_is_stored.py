from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('peers', '0013_passwords_as_hashes'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='peer',
            name='password',
        ),
    ]
