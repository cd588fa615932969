"""History of verdicts, and the static site that shows it.

``junit`` and ``evidence_file`` read what runs left behind, ``store`` keeps it, ``series`` brings it back,
``report`` says what it means (pure), ``site`` writes pages. Nothing here looks at a runner.
"""
