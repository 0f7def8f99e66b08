"""Life stories go on without contradiction, and without growth."""

from collections import Counter
from datetime import timedelta

from integrations.sandbox.demo.stories import FULL_STORY, MOST_PEOPLE, let_go, next_scene, opening


def test_a_story_never_contradicts_itself(make_desk):
    """An appointment is booked before anything else happens to it, and ends once."""
    desk = make_desk(seed=5)
    state = {}
    for _ in range(3000):
        desk.now += timedelta(minutes=7)
        body = next_scene(desk).body
        data, event = body["data"], body["event"]
        if event == "invoice.paid":
            data = data["appointment"]
        if event == "client.saved" or data is None:
            continue
        visit = data["appointment_id"]
        if event == "appointment.created":
            assert visit not in state
            state[visit] = "booked"
        else:
            assert state[visit] == "booked", event
            state[visit] = "booked" if event == "appointment.updated" else "over"
        let_go(desk.book)


def test_everything_that_can_happen_happens(make_desk):
    desk = make_desk(seed=3)
    seen = Counter()
    for _ in range(1500):
        desk.now += timedelta(minutes=7)
        seen[next_scene(desk).body["event"]] += 1
        let_go(desk.book)
    assert set(seen) == {
        "client.saved",
        "appointment.created",
        "appointment.updated",
        "appointment.cancelled",
        "appointment.no_show",
        "appointment.deleted",
        "invoice.paid",
    }


def test_a_practice_never_grows_beyond_its_most_people(make_desk):
    desk = make_desk(seed=2)
    gone = []
    for _ in range(4000):
        desk.now += timedelta(seconds=7)
        next_scene(desk)
        if (number := let_go(desk.book)) is not None:
            gone.append(number)
        assert len(desk.book.people) <= MOST_PEOPLE
    assert len(gone) > 50
    assert len(set(gone)) == len(gone)


def test_nobody_leaves_a_book_that_has_room_or_in_the_middle_of_a_story(make_desk):
    desk = make_desk()
    for _ in range(MOST_PEOPLE):
        desk.book.new_person()
    assert let_go(desk.book) is None
    desk.book.people[3].events = FULL_STORY
    desk.book_visit(3)
    assert let_go(desk.book) is None
    desk.pay(3)
    assert let_go(desk.book) == 3
    desk.book.people[4].events = FULL_STORY
    assert let_go(desk.book) is None


def test_the_opening_leaves_somebody_in_every_stage(make_desk):
    desk = make_desk()
    messages = opening(desk)
    events = Counter(message.body["event"] for message in messages)
    assert events["invoice.paid"] == 2
    assert events["appointment.cancelled"] == events["appointment.no_show"] == 1
    assert any(entry.appointments for entry in desk.book.people.values())
    times = [message.body["timestamp"] for message in messages]
    assert len(set(times)) == len(times)
