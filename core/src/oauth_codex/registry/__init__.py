"""Which drivers and embedders are installed, and how one of them is loaded and opened.

A plug is found through an entry point that names a cheap record; its library is imported only when it is
opened.
"""

from __future__ import annotations

from .loading import Installed, installed_drivers, load_driver
from .opening import open_driver, open_embedder

__all__ = ["Installed", "installed_drivers", "load_driver", "open_driver", "open_embedder"]
