from dataclasses import dataclass, field
from typing import Any

REGIONS = ("us", "eu")


@dataclass(slots=True)
class Workspace:
    """Which region a write key belongs to, where that was told. An unregistered key works in every region."""

    regions: dict[str, str] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)

    def register(self, region: Any, key: Any, *, enabled: Any = True) -> None:
        """Raises ValueError with a sentence for the caller."""
        if region not in REGIONS or not isinstance(key, str) or not key:
            raise ValueError('A key is registered as {"region": "us" or "eu", "key": "…", "enabled": true or false}.')
        self.regions[key] = region
        self.disabled.discard(key)
        if not enabled:
            self.disabled.add(key)

    def is_elsewhere(self, region: str, key: str) -> bool:
        return self.regions.get(key, region) != region
