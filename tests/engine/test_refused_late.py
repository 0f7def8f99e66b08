"""Credentials are refused just when somebody enters new ones: the new ones are tried, nobody is asked again."""

from integrations.emrs.aestheticspro import sandbox as apro
from integrations.sync import lanes
from integrations.sync.process import work_lane
from integrations.sync.profile import profiles
from tests.engine.world import World, at, practice_file, visit


def new_token(world: World) -> None:
    document = practice_file()
    document["sub_accounts"][0]["token"] = "pit-another"
    world.setup(**document)


def test_a_token_that_was_replaced_while_the_old_one_was_refused_is_used_at_once(world: World) -> None:
    world.post(apro.booked(visit(), at(0)))
    (lane,) = lanes.claim(lanes.Picker(), "test", 5)
    before = profiles([lane.practice_id])[lane.practice_id]
    world.redo_sub_account(token="pit-another")
    new_token(world)
    work_lane(lane, before, lambda: False)
    assert world.incidents() == []
    assert world.account.needs_reauth_since is None, "nobody would ever find out that the new token is good"
    world.work()
    assert world.states() == {"done": 1}


def test_a_refusal_of_what_is_stored_stands(world: World) -> None:
    world.post(apro.booked(visit(), at(0)))
    world.redo_sub_account(token="pit-another")
    world.work()
    assert world.incidents() == ["needs_reauth"]
