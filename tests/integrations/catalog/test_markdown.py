from integrations.catalog.blocks import Code, Document, Heading, Points, Steps, Table, Text
from integrations.catalog.markdown import for_segment_docs, plain

DOCUMENT = Document(
    "A page",
    (
        Heading("Part"),
        Text("See [there](https://example.com) and [here](/docs/)."),
        Heading("Piece", 3),
        Steps(("One.", "Two.")),
        Points(("This.", "That.")),
        Table(("Name", "Type"), (("`a`", "string|number"),)),
        Code('{"a": 1}'),
    ),
)

BODY = """## Part

See [there](https://example.com) and [here](/docs/).

### Piece

1. One.
2. Two.

- This.
- That.

| Name | Type |
| --- | --- |
| `a` | string\\|number |

```json
{"a": 1}
```
"""


def test_document_becomes_markdown():
    assert plain(DOCUMENT) == f"# A page\n\n{BODY}"


def test_segments_own_form_has_front_matter_and_opens_outside_links_in_a_new_tab():
    outside = '[there](https://example.com){:target="_blank"} and'
    assert for_segment_docs(DOCUMENT) == "---\ntitle: A page\n---\n\n" + BODY.replace(
        "[there](https://example.com) and", outside
    )
