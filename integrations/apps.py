from django.apps import AppConfig
from django.core import checks


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Segment sources"

    def ready(self) -> None:
        from anymail.signals import tracking

        from integrations import deletion, email_providers, exporting, mappings
        from integrations.checks import check_mappings

        mappings.load()
        deletion.connect()
        exporting.connect()
        tracking.connect(email_providers.receive, dispatch_uid="integrations: email providers")
        checks.register(check_mappings)
