from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = "Segment sources"

    def ready(self) -> None:
        from integrations import mappings

        mappings.load()
