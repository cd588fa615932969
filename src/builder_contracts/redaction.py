"""Redact secrets in everything that leaves the harness.

A secret is recognized where it is read: by the name of its variable, by its form, or by its place in a URL or in
configuration text. From then on its value is replaced wherever it occurs, even inside other text, encoded or cut.
"""

from __future__ import annotations

import base64
import getpass
import json
import re
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

REDACTED = "(redacted)"

Data = TypeVar("Data")

SHORTEST = 6
"""Characters of the shortest value that is learnt: a shorter one would be found by chance."""
CUT = 12
"""Characters of a secret that are recognised although the rest is cut off."""
_LONGEST = 1 << 16
_SHORT_TEXT = 1 << 12

# Names of variables, fields and labels. Words that say it anywhere in a name, and words that say it on their own.
_ANYWHERE = re.compile(
    r"TOKEN(?!I)|SECRET|PASSW|PASSPHRASE|CREDENTIAL|WEBHOOK|COOKIE|PRIVATE|BEARER"
    r"|(?:API|ACCESS|SIGNING|ACCOUNT|MASTER|SSH|AGE|GPG|COSIGN|DEPLOY|ENCRYPTION|LICEN[SC]E)[_.-]?KEYS?(?![A-Z])",
    re.IGNORECASE,
)
_WORDS = frozenset(
    "auth authorization authentication authtoken dsn jwt key keys netrc pass passwd pat pats psk pw pwd sas".split()
)
# What looks like a secret's name and is not; a file, folder or socket is named, not its content.
_INNOCENT = re.compile(
    r"(?:^|[_.-])PUBLIC(?:[_.-]|$)|^(?:OLD)?PWD$|^KEY(?:MAP|BOARD|SERVER|RING)|[_.-](?:FILE|PATH|DIR|SOCK|SOCKET|NAME|ID|TYPE)$"
    r"|^LS_COLORS$|^GIT_CONFIG_KEY_\d+$|^(?:CACHE|SORT|PRIMARY|FOREIGN)[_.-]?KEYS?$",
    re.IGNORECASE,
)
_SEGMENTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

# Values of such names that are not secrets, and words that messages need.
_COMMON = frozenset(
    """
    access accept absent always anonymous authentication basic bearer broken builder builders cache changed client
    contract contracts custom daemon debian declared default defaults deny denied develop disable disabled docker
    dynamic embedded enable enabled endpoint environment exercised expected external false forbid forbidden github
    gitlab hidden ignore inherit insecure internal invalid kernel kubernetes latest linux localhost machine manual
    master missing nobody normal not-set observed optional output password present prevent private production
    promised public reader registry release require required runner runners secret secrets secure server service
    services shared signed source stable stdin strict string system target testing tinyland token trusted ubuntu
    undefined unknown unproven unsafe-none unset verify waived workspace writer
    """.split()
)

# Tokens by the forms that those who issue them document: how they begin, and how they go on.
_TOKENS = {
    r"gh[pousr]_": r"[A-Za-z0-9]{16,}",
    r"github_pat_": r"\w{20,}",
    r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|soat|agent|imt|oas|ffct|wt)-": r"[\w.-]{16,}",
    r"xox[a-z]": r"(?:\.xox[a-z])?-[A-Za-z0-9-]{10,}",
    r"xapp-": r"[A-Za-z0-9-]{10,}",
    r"A[KS]IA": r"[A-Z0-9]{16}(?![A-Z0-9])",
    r"AIza": r"[\w-]{35}",
    r"sk-": r"(?<![_-]sk-)(?=[A-Za-z_-]{0,80}\d)[\w-]{16,}",
    r"[rs]k_(?:live|test)_": r"[A-Za-z0-9]{16,}",
    r"npm_": r"[A-Za-z0-9]{30,}",
    r"pypi-": r"[\w-]{30,}",
    r"dckr_": r"[a-z]{2,4}_[\w-]{16,}",
    r"hf_": r"[A-Za-z0-9]{30,}",
    r"hv[sbr]\.": r"[\w-]{20,}",
    r"lin_": r"(?:api|oauth)_[A-Za-z0-9]{20,}",
    r"dop_v1_": r"[a-f0-9]{40,}",
    r"SG\.": r"[\w-]{16,}\.[\w-]{16,}",
    r"AGE-SECRET-KEY-": r"[A-Z0-9]{16,}",
    r"eyJ": r"(?<![_-]eyJ)[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?",
}
_TOKEN_START = re.compile("|".join(_TOKENS))
_TOKEN = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(start + rest for start, rest in _TOKENS.items())})", re.ASCII
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_SCHEME = re.compile(
    r"(?<![A-Za-z0-9])(?:basic|bearer|token)[ \t]+(?P<secret>[A-Za-z0-9+/=._~-]{8,})", re.IGNORECASE
)
# "Basic authentication" is prose.
_PROSE = re.compile(r"[A-Za-z]?[a-z._~/=+-]+")
# Source: RFC 3986 section 3.2.1. An authority holds none of the excluded characters; JSON is full of quotes.
_USERINFO = re.compile(r'(?<=://)(?P<user>[^\s/?#@:"<>]*)(?::(?P<password>[^\s/?#"<>]*))?@(?=[^\s@])')
# access-tokens = host=token …: nix.conf(5)
_ACCESS_TOKENS = re.compile(r"\baccess-tokens[ \t]*=[ \t]*(?P<tokens>[^\n\\]+)")
_ACCESS_TOKEN = re.compile(r"(?<!\S)[^\s=]+=(?:PAT:|OAuth2:)?(?P<secret>\S+)")
_SCHEME_MARKS = ("basic", "bearer", "token")
# Each with a text that is in whatever it finds.
_IN_PLACE = {
    "authorization": re.compile(
        r"\bauthorization[\"']?[ \t]*[:=][ \t]*[\"']?(?:[a-z]+ )?(?P<secret>[^\s\"']+)", re.IGNORECASE
    ),
    "login": re.compile(  # netrc(5)
        r"\blogin\s+\S+\s+password\s+(?P<secret>\S+)"
    ),
    # ~/.docker/config.json
    '"': re.compile(r'"(?:auth|identitytoken|registrytoken|password|secret)"\s*:\s*"(?P<secret>[^"\\\s]+)"'),
    # Signed URLs and those with a key in the query.
    "=": re.compile(
        r"[?&](?:[a-z_-]*token|sig|signature|x-amz-(?:signature|credential|security-token)|(?:api_?|private_?)?key"
        r"|password|secret|auth|code)=(?P<secret>[^&\s\"'<>]+)",
        re.IGNORECASE,
    ),
    "--": re.compile(
        r"(?<![\w-])--(?:[a-z-]*password|[a-z-]*token|[a-z-]*secret|api-key)[ =](?P<secret>[^\s-][^\s]*)",
        re.IGNORECASE,
    ),
}
# NAME=value, NAME='value', "name": "value", name: value. A name begins a word, so that this stays linear.
_ASSIGNED = re.compile(
    r"""(?<![\w.-])(?P<name>[A-Za-z_][\w.-]{1,80})["']?[ \t]*(?P<sign>[=:])[ \t]*"""
    r"""(?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<bare>[^\s"',;&]+))"""
)
_PROXY = re.compile(r"[^\s/@:]+:(?P<secret>[^\s/@]+)@(?!sha\d)[^\s/@]+(?:/\S*)?")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_RANDOM = re.compile(r"[A-Za-z0-9_+=~-]{16,}")


def is_secret_name(name: str) -> bool:
    """Whether a variable, field or label of that name holds a secret."""
    if _INNOCENT.search(name):
        return False
    return bool(_ANYWHERE.search(name)) or any(
        segment.lower() in _WORDS for segment in _SEGMENTS.findall(name)
    )


def is_learnable(value: str) -> bool:
    """Whether a value is a secret's own: long enough, no common word, no plain number, no path, no placeholder."""
    lowered = value.lower()
    return not (
        len(value) < SHORTEST
        or lowered in _COMMON
        or lowered == _user()
        or (value.isdigit() and len(value) < 10)
        or _is_path(value)
        or value.startswith(("$", "(", "<", "***", "env:", "file:"))
        or len(set(value)) < 3
    )


def _user() -> str:
    try:
        return getpass.getuser().lower()
    except (KeyError, OSError):  # a user without a name, which OSError reports from Python 3.13
        return ""


def _is_path(value: str) -> bool:
    return value.startswith(("/", "./", "../", "~/")) and not any(map(_looks_random, value.split("/")))


def _looks_random(text: str) -> bool:
    """Whether a part of a path or a user's name is rather a key: long, and not words alone."""
    return bool(_RANDOM.fullmatch(text)) and (
        any(char.isdigit() for char in text) or text not in (text.lower(), text.upper(), text.capitalize())
    )


def _user_is_secret(user: str, password: str | None) -> bool:
    return is_learnable(user) and (not password or password == "x-oauth-basic" or len(user) >= 16)  # noqa: S105 # GitHub's


@dataclass(frozen=True)
class _LearnedValues:
    """The forms to replace, by their first characters, with the offset of those characters."""

    pattern: re.Pattern[str]
    anchors: Mapping[str, tuple[tuple[str, int], ...]]

    def spans(self, text: str) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        position = 0
        while self.anchors and (match := self.pattern.search(text, position)):
            start, end = match.span()
            for form, offset in self.anchors[match[0]]:
                left, right = _extent(text, form, match.start(), offset)
                start, end = min(start, left), max(end, right)
            spans.append((start, end))
            position = end
        return _joined(spans)

    def hide(self, text: str) -> str:
        return hide_forms(_put(text, self.spans(text), lambda _: REDACTED))

    @cached_property
    def hide_once(self) -> Callable[[str], str]:
        """``hide`` for texts that come again and again. Whoever learns more begins with an empty cache."""
        return lru_cache(maxsize=1 << 14)(self.hide)


class Redactor:
    """Learns secrets and replaces them. Any thread may use it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._known: _LearnedValues | None = None
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Replace these values from now on, unless they are common words."""
        fresh = {secret.strip()[:_LONGEST] for secret in secrets} - self._secrets
        fresh = {secret for secret in fresh if is_learnable(secret)}
        if fresh:
            with self._lock:
                self._secrets |= fresh
                self._known = None

    def learn_variables(self, variables: Mapping[str, str]) -> None:
        """Learn from variables, labels or other named values."""
        for name, value in variables.items():
            if is_secret_name(name):
                self.learn_value(value)
            self.learn_configuration(value)
            if match := _PROXY.fullmatch(value.strip()):
                self.learn(match["secret"])

    def learn_value(self, value: str) -> None:
        """Learn the value of a variable that is known to hold a secret: whole, and the parts that are secret alone."""
        self.learn(*_parts(value))

    def learn_text(self, text: str) -> None:
        """Learn what is a secret by its form or by its place in the text."""
        for start, end in _spans(text):
            self.learn_value(text[start:end])

    def learn_configuration(self, text: str) -> None:
        """Learn from a variable's value, a label or a file, which may contain named values."""
        self.learn_text(text)
        for match in _ASSIGNED.finditer(text) if "=" in text or ":" in text else ():
            if is_secret_name(match["name"]) and not match["name"].endswith("access-tokens"):
                self.learn(*_parts(match["double"] or match["single"] or match["bare"] or ""))

    def learn_data(self, data: object) -> None:
        """Learn from everything in plain data: names with their values, and all text."""
        if isinstance(data, str):
            self.learn_text(data)
        elif isinstance(data, Mapping):
            for name, value in data.items():
                if isinstance(value, str):
                    self.learn_variables({str(name): value})
                elif isinstance(value, Mapping) and str(name).isupper() and is_secret_name(str(name)):
                    # A contract's variable: NAME: {equals: value}.
                    self.learn(*(text for text in value.values() if isinstance(text, str)))
                self.learn_data(value)
        elif isinstance(data, list | tuple | set | frozenset):
            for value in data:
                self.learn_data(value)

    def forget(self) -> None:
        """Know nothing any more: another run begins in the same process."""
        with self._lock:
            self._secrets, self._known = set(), None

    def redact(self, text: str) -> str:
        """The text without secrets."""
        learnt = self._known or self._compile()
        # A run and a history say the same short texts again and again.
        return learnt.hide_once(text) if len(text) < _SHORT_TEXT else learnt.hide(text)

    def redact_bytes(self, output: bytes) -> bytes:
        """The output without secrets, of the same length: an archive may be printed as well."""
        text = output.decode("utf-8", "surrogateescape")
        spans = (self._known or self._compile()).spans(text)
        if not spans:
            return output
        return _put(text, spans, lambda secret: "*" * len(secret.encode("utf-8", "surrogateescape"))).encode(
            "utf-8", "surrogateescape"
        )

    def redact_variable(self, name: str, value: str) -> str:
        """A variable's value as it may be shown: not at all where its name says that it is a secret."""
        return REDACTED if is_secret_name(name) else self.redact(value)

    def redact_data(self, data: Data) -> Data:
        """Plain data (as JSON has it) without secrets; keys as well."""
        redacted: Any = data
        if isinstance(data, str):
            redacted = self.redact(data)
        elif isinstance(data, dict):
            redacted = {}
            for name, value in data.items():
                key = hidden = self.redact_data(name)
                while key in redacted:  # two names that differ in what is hidden only
                    key = f"{hidden} {len(redacted) + 1}"
                redacted[key] = self.redact_data(value)
        elif isinstance(data, list):
            redacted = [self.redact_data(value) for value in data]
        elif isinstance(data, tuple) and type(data) is tuple:
            redacted = tuple(self.redact_data(value) for value in data)
        return redacted  # type: ignore[no-any-return] # of the type that came in

    def _compile(self) -> _LearnedValues:
        with self._lock:
            anchors: dict[str, list[tuple[str, int]]] = {}
            for secret in self._secrets:
                for form in _forms(secret):
                    # A sentence is known as a whole only: its parts are words of others as well.
                    size = len(form) if len(secret.split()) > 2 else CUT
                    for offset in _offsets(len(form), size):
                        anchors.setdefault(form[offset : offset + size], []).append((form, offset))
            self._known = learnt = _LearnedValues(
                re.compile(_trie(anchors)), {text: tuple(places) for text, places in anchors.items()}
            )
            return learnt


def _parts(value: str) -> Iterator[str]:
    """The secret part of a value: of a URL its key, of a header the part after its scheme."""
    value = value.strip()
    if "://" in value:
        # Its host is not a secret; the user part, the path or the query may be.
        tail = re.split(r"[/?&=#;]", value.partition("://")[2].partition("/")[2])
        yield from (piece for piece in tail if _looks_random(piece))
        return
    scheme = _SCHEME.fullmatch(value)
    if scheme is not None:
        value = scheme["secret"]
    yield from () if "-----BEGIN " in value else (value,)
    # user:password, a Nix key's name:key, the lines of a longer key.
    if value.count(":") == 1 and not value.startswith("{"):
        yield value.partition(":")[2]
    lines = value.replace("\\n", "\n").split("\n")
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= CUT and "-----" not in line)
    try:
        decoded = base64.b64decode(value, validate=True).decode("ascii")
    except (ValueError, UnicodeError):
        return
    if decoded.isprintable() and ":" in decoded:
        yield decoded.partition(":")[2]


def _spans(text: str) -> tuple[tuple[int, int], ...]:
    """The ranges of a text that are secrets by their form or place."""
    # A history says the same short texts again and again.
    return _find_once(text) if len(text) < _SHORT_TEXT else tuple(_joined(_find(text)))


@lru_cache(maxsize=1 << 14)
def _find_once(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(_joined(_find(text)))


def _find(text: str) -> Iterator[tuple[int, int]]:
    # A search costs more than a look for the mark that it needs. Beyond ASCII, IGNORECASE knows more than lower().
    lowered = text.lower() if text.isascii() else None
    if _TOKEN_START.search(text):
        for match in _TOKEN.finditer(text):
            yield match.span()
    for match in _PRIVATE_KEY.finditer(text):
        yield match.span()
    if lowered is None or any(mark in lowered for mark in _SCHEME_MARKS):
        for match in _SCHEME.finditer(text):
            if not _PROSE.fullmatch(match["secret"]):
                yield match.span("secret")
    if "://" in text:
        for match in _USERINFO.finditer(text):
            if match["password"]:
                yield match.span("password")
            if _user_is_secret(match["user"], match["password"]):
                yield match.span("user")
    if "access-tokens" in text:
        for match in _ACCESS_TOKENS.finditer(text):
            for token in _ACCESS_TOKEN.finditer(text, *match.span("tokens")):
                yield token.span("secret")
    for mark, place in _IN_PLACE.items():
        if lowered is None or mark in lowered:
            for match in place.finditer(text):
                if is_learnable(match["secret"]):
                    yield match.span("secret")
    if "=" not in text:
        return
    for match in _ASSIGNED.finditer(text):
        # Prose has lower-case words before colons; a variable is written in capitals.
        if match["sign"] == "=" and match["name"].isupper() and is_secret_name(match["name"]):
            group = match.lastgroup or "bare"
            if is_learnable(match[group]):
                yield match.span(group)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined


def _put(text: str, spans: Sequence[tuple[int, int]], replacement: Any) -> str:
    """The text with these spans replaced, which are in order and do not overlap."""
    if not spans:
        return text
    pieces, position = [], 0
    for start, end in spans:
        if text[start:end] != REDACTED:
            pieces += [text[position:start], replacement(text[start:end])]
            position = end
    return "".join([*pieces, text[position:]])


def _forms(secret: str) -> set[str]:
    """The spellings of a secret in the outputs of tools."""
    raw = secret.encode("utf-8", "surrogatepass")
    hexadecimal = raw.hex()
    forms = {
        secret,
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1],
        secret.encode("unicode_escape").decode(),
        raw.decode("ascii", "backslashreplace"),
        secret.translate(_HTML),
        shlex.quote(secret)[1:-1] if shlex.quote(secret) != secret else secret,
        hexadecimal,
        hexadecimal.upper(),
    }
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        # The first and last characters also hold bits of the text next to the secret.
        stable = encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        forms |= {stable, stable.translate(str.maketrans("+/", "-_"))}
    return {form for form in forms if len(form) >= SHORTEST}


def _offsets(length: int, size: int) -> Iterable[int]:
    """Offsets of the pieces by which a form is recognized: both ends, and enough between them that no long part is missed."""
    last = max(length - size, 0)
    return sorted({*range(0, last + 1, size), last})


def _extent(text: str, form: str, start: int, offset: int) -> tuple[int, int]:
    """The range in which the text matches this form, around the piece at ``start`` of the text and ``offset`` of the form."""
    left = 0
    while left < min(start, offset) and text[start - left - 1] == form[offset - left - 1]:
        left += 1
    right, most = 0, min(len(text) - start, len(form) - offset)
    while right < most and text[start + right] == form[offset + right]:
        right += 1
    return start - left, start + right


def _trie(words: Iterable[str]) -> str:
    """A pattern of any of these words, the longest first, that examines each character of a text only a few times."""
    root: dict[str, Any] = {}
    for word in words:
        node = root
        for char in word:
            node = node.setdefault(char, {})
        node[""] = {}
    return _branches(root)


def _branches(node: dict[str, Any]) -> str:
    options = []
    for char, following in node.items():
        text = re.escape(char)
        # Down to the next choice without recursion: a word may be long.
        while len(following) == 1 and "" not in following:
            ((char, following),) = following.items()
            text += re.escape(char)
        if char:
            options.append(text + (_branches(following) if following.keys() - {""} else ""))
    inner = options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
    return f"(?:{inner})?" if "" in node else inner


def hide_forms(text: str) -> str:
    """The text without what is a secret by its form or place, whatever was learnt."""
    return _put(text, _spans(text), lambda _: REDACTED)


REDACTOR = Redactor()
"""Of this process: what one part of a run learns is hidden in the output of every other."""

learn_secrets = REDACTOR.learn
learn_value = REDACTOR.learn_value
learn_variables = REDACTOR.learn_variables
learn_text = REDACTOR.learn_text
learn_configuration = REDACTOR.learn_configuration
learn_data = REDACTOR.learn_data
redact = REDACTOR.redact
redact_variable = REDACTOR.redact_variable
redact_data = REDACTOR.redact_data
forget = REDACTOR.forget
