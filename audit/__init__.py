"""model-audit: how many training samples can be reconstructed from a trained network's weights.

`audit.audit(model, members, controls)` audits what is in memory or on disk; `Request` and `run` are what the
command line uses. All are imported when they are first asked for, so that `import audit` takes no time.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from audit.version import __version__

if TYPE_CHECKING:
    from audit.errors import AuditError
    from audit.pipeline.notebook import Result, audit
    from audit.pipeline.run import run
    from audit.report.schema import Report
    from audit.request.request import Request

# Threads that spin while they wait make every step ten times slower as soon as the machine has other work. It helps
# only where torch is not loaded yet.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = ["AuditError", "Report", "Request", "Result", "__version__", "audit", "run"]

_PLACES = {
    "AuditError": "audit.errors",
    "Report": "audit.report.schema",
    "Request": "audit.request.request",
    "Result": "audit.pipeline.notebook",
    "audit": "audit.pipeline.notebook",
    "run": "audit.pipeline.run",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
