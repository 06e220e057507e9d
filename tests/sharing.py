"""Who runs what when two workers share the suite (`make test`): files whose fixtures are dear stay in one worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

# Each is one worker's work: a chain of trainings and exports, a fusion of trained runs, environments made by pip.
TOGETHER = {
    "export": ("tests/export/",),
    "fusion": (
        "tests/cli/test_classify_run.py",
        "tests/evaluation/report/test_report_of_every_kind.py",
        "tests/evaluation/report/test_robustness.py",
        "tests/training/composites/test_weighted_fusion.py",
        "tests/training/networks/test_text.py",
    ),
    "packaging": ("tests/packaging/",),
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Like `--dist loadfile`, with TOGETHER as if each were one file."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return next((name for name, starts in TOGETHER.items() if file.startswith(starts)), file)

    return ByFile(config, log)
