"""Judges promises that no secret stands in the image. A verdict names the place, never the value."""

from __future__ import annotations

from builder_contracts.contract.promises.secrets import SecretFreeFiles, SecretPromise
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.judge.explanation import RUNNER_LOST, Explanation
from builder_contracts.judge.unproven import unproven_because
from builder_contracts.redaction import hide_forms
from builder_contracts.verdict import Assessment, broken, kept

_LIKELY = "a Dockerfile instruction or build argument holds it; revoke the secret, since the image carries it"


def judge(promise: SecretPromise, facts: Facts) -> Assessment:
    if isinstance(promise, SecretFreeFiles):
        if isinstance(facts.secret_files, Unseen):
            return unproven_because(facts.secret_files, ".secret_files")
        return _places(sorted(facts.secret_files), "no file", "secret in ", ".secret_files")
    image = facts.image
    match promise.place:
        case "environment":
            return _environment(facts)
        case "labels":
            if isinstance(image, Unseen):
                return unproven_because(image, ".image")
            holders = sorted(name for name, value in image.labels.items() if _is_secret(value))
            return _places(
                holders, f"none of {len(image.labels)} labels", "secret in label ", ".image.labels"
            )
        case _:
            if isinstance(image, Unseen):
                return unproven_because(image, ".image")
            if isinstance(image.history, Unseen):
                return unproven_because(image.history, ".image.history")
            count = len(image.history)
            holders = [
                f"{number} of {count}"
                for number, command in enumerate(reversed(image.history), 1)
                if _is_secret(command)
            ]
            return _places(holders, f"none of {count} commands", "secret in command ", ".image.size")


def _environment(facts: Facts) -> Assessment:
    image = {} if isinstance(facts.image, Unseen) else facts.image.env
    if isinstance(facts.env, Unseen):
        return unproven_because(facts.env, ".env")
    variables = {**{name: [value] for name, value in image.items()}}
    for name, value in facts.env.items():
        variables.setdefault(name, []).append(value)
    holders = sorted(name for name, values in variables.items() if any(map(_is_secret, values)))
    return _places(holders, f"none of {len(variables)} variables", "secret in ", ".env")


def _is_secret(text: str) -> bool:
    return hide_forms(text) != text


def _places(holders: list[str], nothing: str, prefix: str, inspect: str) -> Assessment:
    if not holders:
        return kept(f"{nothing} holds a known form of a secret", inspect=inspect)
    more = f" and {len(holders) - 5} more" if len(holders) > 5 else ""
    return broken(f"{prefix}{', '.join(holders[:5])}{more} (value hidden)", _LIKELY, inspect=inspect)


def explain(promise: SecretPromise) -> Explanation:
    if isinstance(promise, SecretFreeFiles):
        return Explanation(
            how="The job's user searches the text files of these directories for forms of known tokens, for private keys, and for passwords as git, curl, Docker, npm and aws keep them; only names of files leave the runner.",
            unproven=f"{RUNNER_LOST}; the image lacks grep(1); or the search takes more than 40 s.",
            why="Everybody who can pull the image, and every job, can read them.",
            breaks="A COPY of a configuration file, a login during the build.",
            fix="Use a build secret (RUN --mount=type=secret), and revoke the secret that is out.",
        )
    where = {
        "environment": "The variables of the image and of a job's first process",
        "labels": "The labels of the image",
        "history": "The commands in the image's history, with their build arguments",
    }[promise.place]
    return Explanation(
        how=f"{where} are compared with forms of known tokens, private keys and passwords in URLs. "
        "A secret without a known form is not recognized.",
        unproven="The engine shows no image, as on a real runner."
        if promise.place != "environment"
        else RUNNER_LOST + ".",
        why="Everybody who can pull the image, and every job, can read them.",
        breaks="ENV or ARG with a token in a Dockerfile, or a template with a literal value.",
        fix="Use a build secret (RUN --mount=type=secret), and revoke the secret that is out.",
    )
