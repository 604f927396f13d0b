from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "tenants"
    verbose_name = "Tenants and people"

    def ready(self) -> None:
        from tenants import account_trail, exporting, staff_door

        account_trail.connect()
        exporting.connect()
        staff_door.connect()
