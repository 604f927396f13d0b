import json
import subprocess

import pytest

from delivery.batching import new_batch
from delivery.models import Attempt, Event
from delivery.outbox import capture
from delivery.pages.story import LARGEST_ID, Story, curl, highlighted, pretty, readable, story_of
from delivery.turn import take_turn
from tenants.scoping import scope
from tests.conftest import WRITE_KEY


def told(source, event_id) -> Story:
    story = story_of(source, event_id)
    assert story is not None
    return story


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("segment")
def test_story_of_an_event_has_its_batch_and_request(source, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    take_turn([source.pk])
    with scope(source.tenant_id):
        story = told(source, event_id)
        assert story.row is not None
        assert (story.row.state, len(story.batches)) == ("accepted", 1)
        assert [attempt.status_code for attempt in story.attempts] == [200]
        assert story.attempts == list(Attempt.objects.all())


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_story_goes_on_when_the_log_has_the_event_no_more(source):
    new_batch(source.pk, source.tenant_id, [77], 40)
    story = told(source, 77)
    assert (story.row, len(story.batches)) == (None, 1)


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("event_id", [0, 1, LARGEST_ID, LARGEST_ID + 1, 10**30])
def test_story_of_an_unknown_event_is_none(source, event_id):
    assert story_of(source, event_id) is None


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_story_of_another_sources_event_is_none(source, other_source, call):
    (event_id,) = capture(source.tenant_id, call).event_ids
    assert story_of(other_source, event_id) is None


def test_readable_is_a_text_as_it_is_when_it_is_no_json():
    assert (
        readable('{"a":1}') == '{\n  <span class="json-name">&quot;a&quot;</span>: <span class="json-word">1</span>\n}'
    )
    for text in ('{"cut": "off', "[" * 2_000, ""):
        assert readable(text) == text


def test_pretty_keeps_every_value():
    text = '{"a":[1,{"b":"\\u00e9\\n"}],"big":123456789012345678901234567890,"n":null}'
    assert json.loads(pretty(text)) == json.loads(text)
    assert "123456789012345678901234567890" in pretty(text)


def test_highlighted_marks_names_texts_and_words():
    assert highlighted('{"a": "b: c", "d": [1, true]}') == (
        '{<span class="json-name">&quot;a&quot;</span>: <span class="json-text">&quot;b: c&quot;</span>, '
        '<span class="json-name">&quot;d&quot;</span>: [<span class="json-word">1</span>, '
        '<span class="json-word">true</span>]}'
    )


def test_highlighted_escapes_html():
    assert "<script" not in highlighted(pretty('{"<script>": "</script>\\" <b>"}'))


@pytest.mark.django_db
@pytest.mark.usefixtures("everything")
def test_curl_command_is_one_that_a_shell_understands(source, call, settings):
    settings.SEGMENT_URLS = {"us": "https://segment.test/v1"}
    capture(source.tenant_id, {**call, "properties": {"email_subject": 'It\'s $HOME `id` "now"'}})
    event = Event.objects.get()
    command = curl(source, event)
    assert WRITE_KEY not in command
    # The shell is asked what the command's words are.
    printed = subprocess.run(
        ["/bin/sh", "-c", command.replace("curl", "printf '%s\\n'", 1)], check=True, capture_output=True, text=True,
        env={"SEGMENT_WRITE_KEY": "k"},
    ).stdout.splitlines()  # fmt: skip
    assert printed == [
        "https://segment.test/v1/track", "--user", "k:", "--header", "Content-Type: application/json", "--data-raw",
        event.payload,
    ]  # fmt: skip
