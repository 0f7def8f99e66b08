"""The books on disk: kept, shared, and never in the way."""

import multiprocessing

import pytest

from integrations.sandbox.demo.book import open_books


def write(data_dir, times):
    for _ in range(times):
        with open_books(data_dir) as books:
            books.of("bluestone").new_person()


def write_and_fail(data_dir):
    with open_books(data_dir) as books:
        books.of("bluestone").new_person()
        return 1 / 0


def test_what_is_written_is_there_again(tmp_path, make_desk):
    with open_books(tmp_path) as books:
        desk = make_desk(book=books.of("bluestone"))
        desk.book_visit(desk.book.new_person(), days_ahead=2)
        books.outage_until = 12.5
    with open_books(tmp_path) as again:
        assert again.of("bluestone") == books.of("bluestone")
        assert again.outage_until == 12.5


def test_nothing_is_kept_of_what_failed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_and_fail(tmp_path)
    with open_books(tmp_path) as again:
        assert again.of("bluestone").people == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"format": 1}'])
def test_books_that_cannot_be_read_begin_anew(tmp_path, text):
    (tmp_path / "demo-books.json").write_text(text)
    with open_books(tmp_path) as books:
        assert books.by_slug == {}


def test_two_processes_lose_nothing_of_each_other(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(tmp_path, 20)) for _ in range(2)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    with open_books(tmp_path) as books:
        assert sorted(books.of("bluestone").people) == list(range(40))


def test_the_file_holds_no_names(tmp_path, make_desk):
    with open_books(tmp_path) as books:
        desk = make_desk(book=books.of("bluestone"))
        number = desk.book.new_person()
        desk.book_visit(number)
    client = desk.client(number)
    kept = (tmp_path / "demo-books.json").read_text()
    assert client.last_name not in kept
    assert client.email not in kept
