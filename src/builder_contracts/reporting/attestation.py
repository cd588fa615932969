"""An in-toto statement about the image of one class, as ``cosign`` and admission controllers read it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from builder_contracts.attest import statement
from builder_contracts.reporting.whole_file import RunRecord


def render(record: RunRecord) -> str:
    """The statement. Raises OSError, as for a file that cannot be written, if none can be made of the run."""
    info = record.info
    try:
        evidence = statement.gather(record.verdicts, info.promised, info.run, url_of_run(os.environ))
    except statement.NotAttestable as error:
        raise OSError(str(error)) from None
    return json.dumps(statement.to_data(evidence), ensure_ascii=False) + "\n"


def url_of_run(env: Mapping[str, str]) -> str:
    """The address of the CI job that this process is part of, or nothing."""
    if env.get("GITHUB_ACTIONS") == "true":
        names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
        server, repository, run = (env.get(name, "") for name in names)
        return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""
    return env.get("CI_JOB_URL", "")
