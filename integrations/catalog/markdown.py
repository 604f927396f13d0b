import re

from integrations.catalog.blocks import Block, Code, Document, Heading, Points, Steps, Table

_OUTSIDE_LINK = re.compile(r"(\[[^\]]+\]\(https?://[^)]+\))")


def plain(document: Document) -> str:
    """Markdown that any renderer takes."""
    return f"# {document.title}\n\n{_body(document)}"


def for_segment_docs(document: Document) -> str:
    """As Segment's partner template has it: the title as front matter, links to elsewhere open in a new tab."""
    body = _OUTSIDE_LINK.sub(r'\1{:target="_blank"}', _body(document))
    return f"---\ntitle: {document.title}\n---\n\n{body}"


def _body(document: Document) -> str:
    return "\n\n".join(map(_block, document.blocks)) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Steps(items):
            return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
        case Points(items):
            return "\n".join(f"- {item}" for item in items)
        case Table(headers, rows):
            return "\n".join([_row(headers), _row(tuple("---" for _ in headers)), *map(_row, rows)])
        case Code(text):
            return f"```json\n{text}\n```"
        case _:
            return block.text


def _row(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
