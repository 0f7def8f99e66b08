"""`manage.py send_fixture` posts a recorded body at a server."""

import json

import pytest
import requests
import responses
from django.core.management import CommandError, call_command

URL = "http://server.example.com/webhooks/emr/key/"


@responses.activate
def test_the_body_is_posted_and_the_answer_printed(capsys):
    responses.post(URL, status=202, json={"event": 12, "result": "stored"})
    call_command("send_fixture", "aestheticspro", "appointment.created__one_service", URL, secret="s3cret")
    (call,) = responses.calls
    assert json.loads(call.request.body)["event"] == "appointment.created"
    assert call.request.headers["X-AX-Secret"] == "s3cret"
    assert capsys.readouterr().out == '202 {"event": 12, "result": "stored"}\n'


@responses.activate
def test_the_start_of_a_name_is_enough_where_only_one_fits(capsys):
    responses.post(URL, status=200, json={"result": "ignored"})
    call_command("send_fixture", "aestheticspro", "webhook.test", URL)
    assert "X-AX-Secret" not in responses.calls[0].request.headers
    assert capsys.readouterr().out.startswith("200 ")


@responses.activate
def test_a_refusal_ends_with_an_error(capsys):
    responses.post(URL, status=404, json={"error": "Unknown address."})
    with pytest.raises(CommandError, match="was not taken"):
        call_command("send_fixture", "aestheticspro", "webhook.test__ping.json", URL)
    assert capsys.readouterr().out.startswith("404 ")


@responses.activate
def test_a_silent_server_is_said():
    responses.post(URL, body=requests.ConnectionError("refused"))
    with pytest.raises(CommandError, match="No answer"):
        call_command("send_fixture", "aestheticspro", "webhook.test", URL)


def test_an_unknown_fixture_lists_the_known_ones():
    with pytest.raises(CommandError, match="is not one of its fixtures") as fault:
        call_command("send_fixture", "aestheticspro", "appointment.lost", URL)
    assert "\n  invoice.paid__retail_only" in str(fault.value)


def test_a_start_that_fits_several_lists_those():
    with pytest.raises(CommandError, match="fits more than one") as fault:
        call_command("send_fixture", "aestheticspro", "client.saved", URL)
    assert "invoice.paid" not in str(fault.value)


def test_an_unknown_emr_lists_the_known_ones():
    with pytest.raises(CommandError, match="Known: aestheticspro"):
        call_command("send_fixture", "nochart", "x", URL)
