"""Look-alikes: the corpora, and each of the ways in which a name can be another's."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.spec.catalogue import catalogue
from integrations.spec.lexicon import lexicon, words_of
from integrations.spec.lookalikes import Verdict, match_name

DATA = Path(__file__).parent / "data"
MIN_FOUND = 0.95
MAX_FALSE = 0.02


def lookalikes(part):
    lines = (DATA / f"lookalikes_{part}.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    return [(name, None if category == "-" else category, spec) for name, category, spec in rows]


def legitimate(part):
    return (DATA / f"legitimate_{part}.txt").read_text().splitlines()


@pytest.mark.parametrize("part", ["develop", "held_out"])
def test_lookalikes_are_found(part):
    rows = lookalikes(part)
    missed = [row for row in rows if match_name(row[0], row[1]).spec != row[2]]

    assert len(missed) <= (1 - MIN_FOUND) * len(rows), missed


@pytest.mark.parametrize("part", ["develop", "held_out"])
def test_legitimate_names_are_left_alone(part):
    names = legitimate(part)
    flagged = [name for name in names if match_name(name).verdict is not Verdict.OK]

    assert len(flagged) <= MAX_FALSE * len(names), flagged


@pytest.mark.parametrize("name", ["Subscriber Added", "Contact Created", "Recipient Removed", "Workspace Created"])
def test_audience_of_a_tool_is_no_user_of_an_account(name):
    assert match_name(name, "b2b-saas").verdict is Verdict.OK


def test_audience_may_be_named_beside_what_it_did():
    assert match_name("Subscriber Opened Email", "email").spec == "Email Opened"


def test_corpora_are_large_and_apart():
    found = [row for part in ("develop", "held_out") for row in lookalikes(part)]
    left = [name for part in ("develop", "held_out") for name in legitimate(part)]

    assert len(found) >= 250
    assert len(left) >= 250
    assert len(set(left)) == len(left)
    assert len({row[:2] for row in found}) == len(found)


@pytest.mark.parametrize("name", catalogue().events)
def test_exact_name_is_the_specs(name):
    found = match_name(name)

    assert (found.verdict, found.spec) == (Verdict.SPEC, name)


# One word has no words to join: "Unsubscribed" without spaces is "Unsubscribed".
@pytest.mark.parametrize("name", [name for name in catalogue().events if " " in name])
@pytest.mark.parametrize(
    "spelled",
    [
        str.upper,
        str.lower,
        lambda name: name.replace(" ", "_").lower(),
        lambda name: name.replace(" ", "-"),
        lambda name: name.replace(" ", ""),
        lambda name: f" {name}",
        lambda name: name[0].lower() + name[1:].replace(" ", ""),
    ],
)
def test_other_spelling_is_a_lookalike(name, spelled):
    found = match_name(spelled(name))

    assert (found.verdict, found.spec) == (Verdict.LOOKALIKE, name)


@pytest.mark.parametrize("name", catalogue().events)
def test_own_words_are_understood(name):
    """The lexicon knows the Spec's own words: another word order, and "User" before it, change nothing."""
    assert lexicon().concepts(words_of(name))
    first, *others = name.split()
    if others and name not in catalogue().variants.values():
        turned = match_name(" ".join([*others, first]))
        assert turned.spec in {name, None}


@pytest.mark.parametrize("name", ["User Signed Up", "User Signed In", "User Signed Out"])
def test_variant_that_the_spec_allows_is_no_lookalike(name):
    found = match_name(name)

    assert (found.verdict, found.spec) == (Verdict.SPEC, name.removeprefix("User "))


@pytest.mark.parametrize(
    ("name", "category", "spec"),
    [
        ("Link Clicked", "email", "Email Link Clicked"),
        ("Link Clicked", "mobile", None),
        ("Link Clicked", None, None),
        ("Opened", "email", "Email Opened"),
        ("Opened", "mobile", "Application Opened"),
        ("Conversation Started", "live-chat", "Live Chat Conversation Started"),
        ("Conversation Started", "email", None),
        ("Purchase", "email", "Order Completed"),
        ("Email Opened", "video", "Email Opened"),
    ],
)
def test_category_says_what_a_vague_name_means(name, category, spec):
    assert match_name(name, category).spec == spec


@pytest.mark.parametrize("name", ["Aplication Installed", "Email Recieved", "Unsubcribed", "Order Compelted"])
def test_slip_of_the_finger_is_seen_through(name):
    assert match_name(name).verdict is Verdict.LOOKALIKE


@pytest.mark.parametrize("name", ["Order Charged", "Trail Started", "Product Reviewer Added", "Video Contest Started"])
def test_other_word_is_no_slip(name):
    assert match_name(name).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("checkoutCompleted", ("checkout", "completed")),
        ("CHECKOUT_COMPLETED", ("checkout", "completed")),
        ("Checkout: completed!", ("checkout", "completed")),
        ("iOS App Opened", ("ios", "app", "opened")),
        ("A/B Test Viewed", ("ab", "test", "viewed")),
        ("HTTPRequest", ("http", "request")),
        ("", ()),
        ("!!!", ()),
    ],
)
def test_words_of_takes_names_apart(name, words):
    assert words_of(name) == words


@given(st.text(st.characters(exclude_categories=[])), st.sampled_from([None, *catalogue().categories]))
def test_match_name_answers_for_any_text(name, category):
    found = match_name(name, category)

    assert found.name == name
    assert (found.spec is None) == (found.verdict is Verdict.OK)
    assert found.reason


WORDS = sorted(lexicon().vocabulary)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.sampled_from([" ", "_", "-", "."]))
def test_separator_does_not_matter(words, separator):
    assert match_name(separator.join(words)).spec == match_name(" ".join(words)).spec
