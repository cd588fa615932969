"""History of verdicts, and the static site that shows it.

``history`` keeps what runs reported, ``analysis`` judges it (pure), ``site`` and ``nightly`` show it to people,
``demo`` writes simulated nights. Nothing in this package looks at a runner.
"""
