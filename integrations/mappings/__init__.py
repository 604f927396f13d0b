import pkgutil
from importlib import import_module


def load() -> None:
    """Import every module of this package, so that its mappings are in the registry."""
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        import_module(module.name)
