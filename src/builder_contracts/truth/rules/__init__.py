"""One file per rule, one directory per area: pure functions from declarations and a checkout to findings.

Importing the package registers all rules; a new file in an area needs no other line.
"""

import importlib
import pkgutil

for _area in pkgutil.iter_modules(__path__):
    if _area.ispkg:
        for _module in pkgutil.iter_modules([f"{__path__[0]}/{_area.name}"]):
            importlib.import_module(f"{__name__}.{_area.name}.{_module.name}")
