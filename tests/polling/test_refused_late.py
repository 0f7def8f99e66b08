"""The EMR refuses the old credentials just when somebody enters new ones: nobody is asked for them again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from integrations.contract.errors import AuthError
from integrations.models import Backfill, Connection
from integrations.sync import circuit
from integrations.sync.polling import backfill
from tests.polling.lists import BY_TIME, Lists, Polled


def entered(connection: Connection) -> Callable[[int], Exception]:
    def enter(number: int) -> Exception:
        row = Connection.objects.for_practice(connection.practice).get(pk=connection.pk)
        row.credentials = {"password": "new"}
        row.save()
        circuit.reauthenticated(Connection, row.pk, row.practice_id)
        return AuthError("refused", status=401)

    return enter


def refused_since(connection: Connection) -> Any:
    rows = Connection.objects.for_practice(connection.practice)
    return rows.values_list("needs_reauth_since", flat=True).get(pk=connection.pk)


def test_a_poll_with_the_old_credentials_does_not_condemn_the_new_ones(bare: Connection) -> None:
    things = Polled.of(bare, Lists(), BY_TIME)
    things.lists.fault = entered(bare)
    things.poll()
    assert refused_since(bare) is None
    assert things.cursor().next_at <= things.lists.clock, "asked again at once"
    things.lists.fault = lambda number: AuthError("refused", status=401)
    known = replace(things.profile.connections[bare.pk], credentials={"password": "new"})
    things.profile = replace(things.profile, connections={bare.pk: known})
    things.poll()
    assert refused_since(bare) is not None


def test_a_back_fill_with_the_old_credentials_does_not_condemn_the_new_ones(bare: Connection) -> None:
    things = Polled.of(bare, Lists(), BY_TIME)
    things.poll()
    things.lists.fault = entered(bare)
    with things.clocks():
        row = backfill.ask(things.cursor(), things.lists.clock.date(), None)
        (claimed,) = backfill.claim("test", 1)
        backfill.run(claimed, things.profile, lambda: False)
    assert refused_since(bare) is None
    assert Backfill.objects.for_practice(bare.practice).get(pk=row.pk).state == "reading", "it goes on"
