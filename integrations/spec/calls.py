"""The calls of the Segment Spec as plain JSON objects."""

from typing import Any

Call = dict[str, Any]
"""One Spec call: the JSON object with `type`, `userId` and the rest, as it will be encoded."""
