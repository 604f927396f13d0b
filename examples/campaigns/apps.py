from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    name = "examples.campaigns"
    label = "campaigns"
    verbose_name = "Campaigns (example product)"

    def ready(self) -> None:
        from examples.campaigns import erasing, exporting, provider

        provider.connect()
        erasing.connect()
        exporting.connect()
