"""Upkeep: what one step cannot do keeps no other from its turn."""

import pytest

from integrations.models import Incident
from integrations.sync import upkeep


def test_a_step_that_fails_keeps_none_from_its_turn(caplog):
    done: list[str] = []
    name = "Alba Winter"

    def fails() -> None:
        raise ValueError(name)

    def follows() -> None:
        done.append("follows")

    with pytest.raises(ValueError, match="Alba"):
        upkeep.run_upkeep([fails, follows])
    assert done == ["follows"]
    assert "upkeep: fails (ValueError)" in caplog.text
    assert "Alba" not in caplog.text


@pytest.mark.django_db
def test_retention_that_failed_is_tried_again_the_same_day(monkeypatch):
    monkeypatch.setattr(upkeep, "_purged_on", None)
    with monkeypatch.context() as broken:
        broken.setattr(upkeep, "purge", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            upkeep.purge_daily()
    assert upkeep.purge_daily()
    assert not upkeep.purge_daily(), "once a day"


@pytest.mark.django_db
def test_every_step_runs_on_an_empty_installation():
    upkeep.run_upkeep()
    assert not Incident.objects.across_practices().exists()
