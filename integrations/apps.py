from django.apps import AppConfig
from django.core import checks


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Segment sources"

    def ready(self) -> None:
        from integrations import mappings
        from integrations.checks import check_mappings

        mappings.load()
        checks.register(check_mappings)
