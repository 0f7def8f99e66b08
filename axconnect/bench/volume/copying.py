"""Many rows into a table at once: COPY on PostgreSQL, one statement for many rows elsewhere."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.db.models import Max

from tenants.encryption import encrypt


class Token(str):
    """Text that is encrypted already."""


@lru_cache(maxsize=4096)
def token(text: str) -> str:
    """The encrypted form of a text, the same one each time: making one for every row would take most of the time."""
    return encrypt(text)


def token_of(value: Any) -> str:
    """The encrypted form of a JSON value, made afresh."""
    return encrypt(json.dumps(value, separators=(",", ":")))


class Table:
    """A table that rows are put into. ``columns`` are those that differ by row, ``constants`` the others that do not
    have the model's default; the id comes first in every row and is given out by ``new_id``.

    Values are as the database keeps them: encrypted columns as tokens, JSON as text.
    """

    def __init__(self, model: type[models.Model], columns: Iterable[str], **constants: Any) -> None:
        self.model = model
        self._given = ["id", *columns]
        rest = [field for field in model._meta.concrete_fields if field.attname not in self._given]
        self._same = [_kept(field, constants) for field in rest]
        fields = {field.attname: field for field in model._meta.concrete_fields}
        self._columns = [str(field.column) for field in (*(fields[name] for name in self._given), *rest)]
        self._rows: list[tuple[Any, ...]] = []
        self._last = model._default_manager.aggregate(last=Max("pk"))["last"] or 0

    def new_id(self) -> int:
        """The id of the next row."""
        self._last += 1
        return self._last

    def add(self, *values: Any) -> None:
        """Keep a row for the next ``write``: its id, then a value for each column."""
        self._rows.append(values)

    def write(self) -> int:
        """Put what was kept into the table. How many rows."""
        rows, self._rows = self._rows, []
        if rows:
            put = _copy if connection.vendor == "postgresql" else _insert
            put(self.model._meta.db_table, self._columns, [(*row, *self._same) for row in rows])
        return len(rows)


def _kept(field: "models.Field[Any, Any]", constants: dict[str, Any]) -> Any:
    """What stands in a column that is the same in every row."""
    if field.attname in constants:
        value = constants[field.attname]
        return value if isinstance(value, datetime | Token) else field.get_db_prep_save(value, connection)
    return field.get_db_prep_save(field.get_default(), connection)


def _copy(table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    names = ", ".join(map(connection.ops.quote_name, columns))
    with connection.cursor() as cursor, cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _insert(table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    names = ", ".join(map(connection.ops.quote_name, columns))
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
        cursor.executemany(statement, [tuple(_adapted(row)) for row in rows])


def _adapted(row: tuple[Any, ...]) -> Iterator[Any]:
    for value in row:
        yield connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def write_all(*tables: Table) -> int:
    """Put what all these tables kept into the database, in one transaction and this order. How many rows."""
    with transaction.atomic():
        return sum(table.write() for table in tables)


def go_on_after(*tables: Table) -> None:
    """The database gives out ids after those that were given out here."""
    statements = connection.ops.sequence_reset_sql(no_style(), [table.model for table in tables])
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def tidy() -> None:
    """What a database does by itself within minutes: it learns how many rows there are, and which pages all may see."""
    may_vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if may_vacuum else "ANALYZE")
