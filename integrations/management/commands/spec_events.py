"""Print the catalogue of semantic events."""

from typing import Any

from django.core.management.base import BaseCommand

from integrations.management.commands._json_output import output_for_programs, print_json
from integrations.spec.catalogue import SemanticEvent, catalogue


class Command(BaseCommand):
    help = (
        "Print all events of the Segment Spec as a JSON array. `products.$.price` is the price of each product, "
        "`campaign.name` the name in the object campaign."
    )
    requires_system_checks = []

    def handle(self, *_args: Any, **_options: Any) -> None:
        with output_for_programs(self.stdout):
            print_json(self.stdout, [_described(event) for event in catalogue().events.values()])


def _described(event: SemanticEvent) -> dict[str, Any]:
    return {
        "name": event.name,
        "category": event.category,
        "properties": [{"name": path, "type": prop.type} for path, prop in event.flat_properties()],
        "context": list(event.context),
    }
