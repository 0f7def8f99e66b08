"""Events that an answer left out of the CRM keep the key of the answer, so that another answer finds them again."""

from django.db import migrations
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

LEFT_OUT = "A person decided to leave this patient out of the CRM."


def keep_keys(apps, schema_editor):
    key = Concat(
        Value("patient:"),
        Cast(F("patient_id"), CharField()),
        Value(":"),
        Cast(F("sub_account_id"), CharField()),
        output_field=CharField(),
    )
    rows = apps.get_model("integrations", "InboundEvent")._base_manager.filter(
        state="skipped", reason=LEFT_OUT, held_key="", patient__isnull=False, sub_account__isnull=False
    )
    rows.update(held_key=key)


class Migration(migrations.Migration):
    dependencies = [("integrations", "0009_earlier_answers")]
    operations = [migrations.RunPython(keep_keys, migrations.RunPython.noop, elidable=True)]
