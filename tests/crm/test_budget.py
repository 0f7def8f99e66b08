"""The shared request budget, on a real Redis."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest
import redis
import responses

from integrations.contract.errors import RateLimited
from integrations.crm.budget import Budget, Claim, Known, Priority, Used, redis_for_budget
from integrations.crm.client import CrmClient


def headers(**numbers: int) -> dict[str, str]:
    names = {
        "max": "X-RateLimit-Max",
        "left": "X-RateLimit-Remaining",
        "interval": "X-RateLimit-Interval-Milliseconds",
        "day_max": "X-RateLimit-Limit-Daily",
        "day_left": "X-RateLimit-Daily-Remaining",
    }
    return {names[name]: str(number) for name, number in numbers.items()}


def claim_all(budget: Budget, priority: Priority = Priority.LIVE, subaccount: str = "LOC1") -> int:
    """How many calls this priority gets now."""
    for granted in range(1000):
        try:
            budget.claim(subaccount, priority)
        except RateLimited:
            return granted
    raise AssertionError("no limit")


@pytest.fixture
def budget(real_redis: redis.Redis) -> Budget:
    return Budget(real_redis)


def test_the_window_is_shared_and_never_exceeded(real_redis: redis.Redis) -> None:
    budgets = [Budget(real_redis, window_max=40, interval_ms=60_000) for _ in range(2)]
    granted: list[Claim] = []

    def hammer(budget: Budget) -> None:
        for _ in range(30):
            try:
                granted.append(budget.claim("LOC1"))
            except RateLimited:
                return

    threads = [threading.Thread(target=hammer, args=(budgets[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 40
    assert sorted(claim.remaining for claim in granted) == list(range(40))


def test_no_stretch_of_one_interval_holds_more_than_the_limit(real_redis: redis.Redis) -> None:
    budget = Budget(real_redis, window_max=10, interval_ms=200)
    asked: list[float] = []
    granted: list[float] = []
    stop = time.monotonic() + 1.0

    def hammer() -> None:
        while (before := time.monotonic()) < stop:
            try:
                budget.claim("LOC1")
            except RateLimited as error:
                time.sleep(error.retry_after)
            else:
                granted.append(time.monotonic())
                asked.append(before)

    threads = [threading.Thread(target=hammer) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) > 20
    # Redis counted each claim somewhere between these two moments.
    spans = zip(sorted(asked), sorted(granted)[10:], strict=False)
    assert all(later - earlier > 0.199 for earlier, later in spans)


def test_waiting_as_told_is_enough(real_redis: redis.Redis) -> None:
    budget = Budget(real_redis, window_max=5, interval_ms=200)
    assert claim_all(budget) == 5
    with pytest.raises(RateLimited) as caught:
        budget.claim("LOC1")
    assert 0 < caught.value.retry_after < 0.25
    time.sleep(caught.value.retry_after + 0.005)
    assert budget.claim("LOC1").remaining >= 0


def test_sub_accounts_do_not_share(budget: Budget) -> None:
    assert claim_all(budget) == 100
    assert budget.claim("LOC2").remaining == 99


def test_less_urgent_work_leaves_room_for_the_more_urgent(budget: Budget) -> None:
    assert claim_all(budget, Priority.BACKFILL) == 50
    assert claim_all(budget, Priority.REPLAY) == 20
    assert claim_all(budget, Priority.CREATE_BACK) == 20
    assert claim_all(budget, Priority.LIVE) == 10


def test_even_a_window_of_one_serves_everybody(real_redis: redis.Redis) -> None:
    for number, priority in enumerate(Priority):
        assert claim_all(Budget(real_redis, window_max=1), priority, f"LOC{number}") == 1


@pytest.mark.parametrize(("told", "granted"), [(25, 24), (500, 499)])
def test_the_limit_follows_the_headers_down_and_up(budget: Budget, told: int, granted: int) -> None:
    claim = budget.claim("LOC1")
    budget.report("LOC1", headers(max=told, left=told - 1), claim)
    assert claim_all(budget) == granted
    assert budget.used("LOC1").window_max == told


def test_fewer_left_than_believed_is_adopted(budget: Budget) -> None:
    budget.report("LOC1", headers(max=100, left=3), budget.claim("LOC1"))
    assert claim_all(budget) == 3


def test_the_last_call_of_a_window_is_adopted_too(budget: Budget) -> None:
    for _ in range(95):
        claim = budget.claim("LOC1")
    budget.report("LOC1", headers(left=0), claim)
    assert claim_all(budget) == 0


def test_a_shorter_interval_is_adopted_and_keeps_the_count(budget: Budget) -> None:
    for _ in range(10):
        claim = budget.claim("LOC1")
    budget.report("LOC1", headers(interval=200), claim)
    assert budget.used("LOC1").window_used == 10
    time.sleep(0.25)
    assert budget.used("LOC1").window_used == 0


def test_the_day_follows_the_headers_down_and_up(budget: Budget) -> None:
    budget.report("LOC1", headers(day_max=10_000, day_left=4_000), budget.claim("LOC1"))
    assert budget.used("LOC1") == Used(1, 100, 6_000, 10_000)
    budget.report("LOC1", headers(day_max=10_000, day_left=9_999), budget.claim("LOC1"))
    assert budget.used("LOC1").day_used == 1


def test_nothing_is_known_before_the_first_call(budget: Budget) -> None:
    assert budget.known("LOC1") is None
    budget.claim("LOC1")
    assert budget.known("LOC1") == Known(1, 100, 1, 200_000, 10_000)
    assert budget.known("LOC2") is None


def test_nothing_is_known_without_redis() -> None:
    budget = Budget(redis_for_budget("unix:///nobody-listens-here"))
    budget.claim("LOC1")
    assert budget.known("LOC1") is None


def test_bulk_work_stops_below_five_percent_of_the_day(budget: Budget) -> None:
    budget.report("LOC1", headers(day_max=10_000, day_left=490), budget.claim("LOC1"))
    for priority in (Priority.REPLAY, Priority.BACKFILL):
        with pytest.raises(RateLimited) as caught:
            budget.claim("LOC1", priority)
        assert 0 < caught.value.retry_after <= 300
    budget.claim("LOC1", Priority.CREATE_BACK)
    budget.claim("LOC1", Priority.LIVE)


def test_a_spent_day_lets_one_urgent_call_ask_every_five_minutes(budget: Budget) -> None:
    budget.report("LOC1", headers(day_left=0), budget.claim("LOC1"))
    with pytest.raises(RateLimited):
        budget.claim("LOC1", Priority.CREATE_BACK)
    probe = budget.claim("LOC1")
    with pytest.raises(RateLimited) as caught:
        budget.claim("LOC1")
    assert 0 < caught.value.retry_after <= 300
    budget.report("LOC1", headers(day_left=199_999), probe)
    assert budget.claim("LOC1", Priority.BACKFILL).day_remaining > 199_000


def test_after_too_many_requests_nobody_claims_until_told(budget: Budget) -> None:
    budget.blocked("LOC1", 0.5)
    with pytest.raises(RateLimited) as caught:
        budget.claim("LOC1")
    assert 0 < caught.value.retry_after <= 0.5
    budget.blocked("LOC1", 0.01)  # a shorter one does not shorten it
    time.sleep(0.05)
    with pytest.raises(RateLimited):
        budget.claim("LOC1")
    time.sleep(0.5)
    budget.claim("LOC1")


def test_a_flushed_redis_learns_from_the_next_answer(real_redis: redis.Redis, budget: Budget) -> None:
    claim_all(budget)
    real_redis.flushall()
    real_redis.script_flush()
    claim = budget.claim("LOC1")
    assert claim.remaining == 99
    budget.report("LOC1", headers(max=100, left=2, day_max=200_000, day_left=150_000), claim)
    assert budget.used("LOC1") == Used(98, 100, 50_000, 200_000)
    assert claim_all(budget) == 2


@pytest.mark.parametrize("word", ["", "x", "-3", "0", "9" * 40, "1.5"])
def test_senseless_headers_change_nothing(budget: Budget, word: str) -> None:
    claim = budget.claim("LOC1")
    budget.report("LOC1", {"X-RateLimit-Max": word, "X-RateLimit-Interval-Milliseconds": word}, claim)
    assert budget.used("LOC1") == Used(1, 100, 1, 200_000)


def test_an_agreeing_answer_costs_one_round_trip(
    real_redis: redis.Redis, budget: Budget, api: responses.RequestsMock
) -> None:
    told = headers(max=100, interval=10_000, day_max=200_000)
    crm = CrmClient("https://crm.example.com", "2021-07-28", "LOC1", "pit", budget, allow_private=True)
    api.get(
        "https://crm.example.com/contacts/C1",
        json={"contact": {"id": "C1"}},
        headers={**told, **headers(left=95, day_left=199_990)},
    )
    crm.get_contact("C1")  # loads the script
    before = real_redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    for _ in range(5):
        crm.get_contact("C1")
    assert real_redis.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 5


def test_the_state_in_redis_forgets_itself(real_redis: redis.Redis, budget: Budget) -> None:
    budget.claim("LOC1")
    assert 86_400 < real_redis.ttl("ax:crm:budget:LOC1") <= 2 * 86_400
    assert all(b"pit" not in key for key in real_redis.scan_iter())


class TestWithoutRedis:
    """Nothing fails: each process keeps a share of its own."""

    @pytest.fixture
    def gone(self) -> Iterator[redis.Redis]:
        with redis_for_budget("redis://127.0.0.1:1/0") as connection:
            yield connection

    def test_each_process_takes_its_share(self, gone: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO):
            budget = Budget(gone, processes=4)
            assert claim_all(budget) == 25
            assert budget.used("LOC1").window_used == 25
        assert len(caplog.records) == 1
        assert "Redis cannot be used" in caplog.text

    def test_the_local_share_slides_too(self) -> None:
        budget = Budget(None, window_max=5, interval_ms=200)
        assert claim_all(budget) == 5
        with pytest.raises(RateLimited) as caught:
            budget.claim("LOC1")
        time.sleep(caught.value.retry_after + 0.005)
        budget.claim("LOC1")

    def test_the_local_share_follows_the_headers(self) -> None:
        budget = Budget(None, processes=2)
        budget.report("LOC1", headers(max=20, day_max=1_000, day_left=400), budget.claim("LOC1"))
        assert claim_all(budget) == 9
        assert budget.used("LOC1") == Used(10, 20, 609, 1_000)
        budget.report("LOC1", headers(left=0), Claim(5, 20, 10_000, 400, 1_000, is_local=True))
        with pytest.raises(RateLimited):
            budget.claim("LOC1")

    def test_the_local_share_leaves_room_for_the_urgent(self) -> None:
        budget = Budget(None)
        assert claim_all(budget, Priority.BACKFILL) == 50
        assert claim_all(budget) == 50

    def test_too_many_requests_block_the_process(self) -> None:
        budget = Budget(None)
        budget.blocked("LOC1", 60)
        with pytest.raises(RateLimited) as caught:
            budget.claim("LOC1")
        assert 59 < caught.value.retry_after <= 60

    def test_redis_is_used_again_when_it_is_back(
        self, real_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        budget = Budget(real_redis)
        with monkeypatch.context() as broken:
            broken.setattr(real_redis, "evalsha", _raise_connection_error)
            assert budget.claim("LOC1").is_local
        assert budget.claim("LOC1").is_local  # not asked again at once
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 6)
        with caplog.at_level(logging.INFO):
            assert not budget.claim("LOC1").is_local
        assert "shared through Redis again" in caplog.text


def _raise_connection_error(*arguments: object, **more: object) -> None:
    raise redis.ConnectionError("gone")
