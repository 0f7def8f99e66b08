"""`manage.py rotate_keys`: everything encrypted again with the first of FIELD_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand

from integrations.sync.rotation import Rotated, encrypted_columns, rotate_column, rotate_search_keys


class Command(BaseCommand):
    help = (
        "Encrypts every stored secret and patient value again with the first of FIELD_KEYS, and renews the "
        "people search. Restart the service with the new key in front first; afterwards the former key can "
        "go. It can run while the service runs, and be stopped and started again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = []
        for model, column in encrypted_columns():
            done.append(self._tell(rotate_column(model, column)))
        done.append(self._tell(rotate_search_keys()))
        if lost := sum(count.unreadable for count in done):
            self.stderr.write(
                f"{lost} values open with none of FIELD_KEYS: put the former key back and run this again."
            )
        if left := sum(count.left for count in done):
            self.stderr.write(f"{left} values changed while they were read: run this again.")
        if lost or left:
            raise SystemExit(1)

    def _tell(self, count: Rotated) -> Rotated:
        self.stdout.write(f"{count.name}: {count.looked_at} looked at, {count.renewed} renewed")
        return count
