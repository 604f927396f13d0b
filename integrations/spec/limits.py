"""Segment's limits, as its documents give them. KB is not defined there: 1,000 bytes is the stricter reading."""

MAX_EVENT_BYTES = 32_000
"""One call, JSON-encoded. connections/sources/catalog/libraries/server/http-api: 32 KB."""

MAX_BATCH_BYTES = 500_000
"""One request of /v1/batch. Same page: 500 KB."""

MAX_BATCH_EVENTS = 2_500
"""Calls in one request of /v1/batch; a larger one is answered 200 and thrown away. Same page."""

MAX_MESSAGE_ID_CHARACTERS = 99
"""messageId must be *under* 100 characters. Same page."""

REQUESTS_PER_SECOND = 50
"""What Segment asks of partners, batches included. partners/sources: "at a maximum rate of 50 requests per second"."""

MAX_PROPERTIES = 10_000
"""Values in one call, the nested ones counted. segment.md: at most 10,000 properties in an event."""

MAX_DEPTH = 100
"""Levels of nesting. Segment names no limit; orjson stops at 254, and no honest event comes near this."""
