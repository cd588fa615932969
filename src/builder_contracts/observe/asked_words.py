"""The words of a contract that decide an answer and that no name of a fact shows, such as the arguments of a command.

Saved facts keep a digest of each: facts are an answer only to who asks with the same words. Digests, because a command
may hold what must not be written anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from builder_contracts.contract.promises import JobCommand, Promise, Tool
from builder_contracts.contract.promises.image import ImageReference
from builder_contracts.contract.promises.job import JobStart
from builder_contracts.contract.promises.secrets import SecretFreeFiles
from builder_contracts.facts.model import Facts, Unseen
from builder_contracts.observe.inside.questions import work_words


def digests(promises: Iterable[Promise]) -> list[str]:
    """A digest of every such text of these promises, sorted."""
    return sorted({_digest(words) for promise in promises for words in _words(promise)})


def is_asked(promise: Promise, facts: Facts) -> bool:
    """Whether the facts are answers to the words of this promise."""
    asked = () if isinstance(facts.asked, Unseen) else facts.asked
    return set(digests([promise])) <= set(asked)


def _words(promise: Promise) -> Iterator[tuple[str, ...]]:
    match promise:
        case ImageReference():
            yield ("image", promise.reference)
        case JobStart():
            yield ("start", promise.way.value, *promise.command)
        case Tool():
            if promise.version:
                yield ("version", promise.name, *promise.version_command)
            if promise.work:
                yield ("work", promise.name, *work_words(promise.work))
            for feature, arguments in promise.features:
                yield ("feature", promise.name, feature, *arguments)
        case JobCommand():
            variables = (f"{name}={value}" for name, value in promise.environment)
            stdin = ("no input",) if promise.stdin is None else ("input", promise.stdin)
            yield (
                "command",
                promise.name,
                str(promise.within),
                *stdin,
                *promise.arguments,
                "with",
                *variables,
            )
        case SecretFreeFiles():
            yield ("secret files", *promise.directories)
        case _:
            pass


def _digest(words: tuple[str, ...]) -> str:
    # Lengths keep ("a", "bc") apart from ("ab", "c").
    text = "".join(f"{len(word)}:{word}" for word in words)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
