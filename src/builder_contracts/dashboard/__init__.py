"""History of verdicts, and the static site that shows it.

``history`` stores the reports of runs, ``analysis`` interprets them (pure), ``site`` and ``nightly`` present them,
and ``demo`` writes simulated nights. Nothing in this package contacts a runner.
"""
