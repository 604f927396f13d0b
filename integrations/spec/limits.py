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
