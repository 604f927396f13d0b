"""What every page of ours keeps to: one heading, a title, a language, nothing inline or from afar."""

import re
from html.parser import HTMLParser

import pytest

from tests.pages.addresses import Address, all_addresses
from tests.pages.rows import row_of
from tests.pages.world import World

pytestmark = pytest.mark.django_db

# The admin's pages are Unfold's; a mail's own page is shown in a frame.
PAGES = [a for a in all_addresses("tests.pages.urls") if not a.is_of_the_admin and row_of(a).reader()]


class Seen(HTMLParser):
    """The manner of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.language = ""
        self.has_viewport = False
        self.headings = 0
        self.title = ""
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._open = tag
        self.headings += tag == "h1"
        if tag == "html":
            self.language = given.get("lang", "")
        self.has_viewport |= given.get("name") == "viewport"
        if tag == "style" or (tag == "script" and "src" not in given):
            self.wrong.append(f"inline {tag}")
        self.wrong += [f"{name} of {tag}" for name in given if name == "style" or name.startswith("on")]
        if tag in {"script", "link", "img"}:
            self.wrong += [where for where in (given.get("src", ""), given.get("href", "")) if "//" in where]

    def handle_data(self, data: str) -> None:
        self.title += data if self._open == "title" and not self.title else ""


@pytest.mark.parametrize("address", PAGES, ids=lambda address: address.name)
def test_page_has_a_heading_a_title_and_nothing_inline(world: World, address: Address):
    row = row_of(address)
    response = world.client(row.reader() or "anonymous").get(row.path(address, world))
    seen = Seen()
    seen.feed(response.content.decode())
    assert (seen.wrong, seen.headings, seen.language, seen.has_viewport) == ([], 1, "en", True)
    assert seen.title.endswith(" · Headwater")
    assert len(seen.title) > len(" · Headwater")


def test_titles_tell_the_pages_of_a_company_apart(world: World):
    client = world.client("owner")
    titles: dict[str, list[str]] = {}
    for address in (page for page in PAGES if page.is_of_a_tenant):
        seen = Seen()
        seen.feed(client.get(row_of(address).path(address, world)).content.decode())
        titles.setdefault(seen.title, []).append(address.name)
    assert [names for names in titles.values() if len(names) > 1] == []


def test_a_card_of_the_admin_has_names_for_its_columns_or_no_row_for_them(world: World):
    page = world.client("staff").get(f"/admin/integrations/source/{world.values['source_id']}/change/").content.decode()
    assert "Do something; the next page asks first" in page
    assert re.findall(r"<th[^>]*>\s*</th>", page) == []
