from django.apps import AppConfig


class VaultConfig(AppConfig):
    name = "privacy.vault"
    label = "keystore"
    verbose_name = "Keys"
