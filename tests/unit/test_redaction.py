"""No secret leaves: planted in every place and form, it is in no output; and messages stay what they are."""

from __future__ import annotations

import base64
import dataclasses
import getpass
import io
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder_contracts import redaction
from builder_contracts.cli import main
from builder_contracts.contract.loading import load
from builder_contracts.contract.model import Contract
from builder_contracts.errors import EngineError, ExitCode, InputError, Location, Problem, printable
from builder_contracts.facts.json_codec import flatten, from_json, to_json
from builder_contracts.facts.model import DaemonFacts, Facts, StartFacts, ToolFacts, Unseen
from builder_contracts.judge import judge
from builder_contracts.redaction import REDACTED, Redactor, hide_forms, is_learnable, is_secret_name
from builder_contracts.reporting.registry import FORMATS, ReportRequest, open_reports
from builder_contracts.reporting.stream import RunInfo, RunSummary
from builder_contracts.verdict import Verdict
from tests.unit.judge.observed import IMAGE, RUNNER, facts

# How a token of nobody's form is told from other text: by a name, a place, or what stands around it.
NAMED: dict[str, Callable[[str], str]] = {
    "GH_PAT": str,
    "MYSQL_PWD": str,
    "SOPS_AGE_KEY": str,
    "COSIGN_KEY": str,
    "SIGNING_KEY": "cache-1:{}".format,
    "SLACK_WEBHOOK": "https://hooks.example.com/services/T0/B0/{}".format,
    "SENTRY_DSN": "https://{}@o1.ingest.example.com/2".format,
    "DATABASE_DSN": "server=db;user=me;password={}".format,
    "GIT_CREDENTIALS": str,
    "REGISTRY_AUTH": "me:{}".format,
    "SESSION_COOKIE": "session={}; path=/".format,
    "api_key": str,
    "dockerAuth": lambda token: base64.b64encode(f"me:{token}".encode()).decode(),
    "DEPLOY_KEY": "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n".format,
    "org.example.token": str,
    "GITLAB_PASSWORD": str,
    "TF_VAR_secret": str,
    # From here on the name says nothing.
    "DOCKER_HOST": "tcp://u:{}@127.0.0.1:2375".format,
    "GOPROXY": "https://{}@goproxy.example.com".format,
    "PIP_INDEX_URL": "https://x-access-token:{}@pypi.example.com/simple".format,
    "REPOSITORY": "https://{}:x-oauth-basic@git.example.com/r.git".format,
    "http_proxy": "u:{}@proxy:3128".format,
    "NIX_CONFIG": "experimental-features = nix-command\naccess-tokens = github.com={}\n".format,
    "EXTRA_NIX_CONFIG": "extra-access-tokens = gitlab.com=PAT:{} github.com=x".format,
    "NETRC_TEXT": "machine git.example.com login me password {}".format,
    "CURL_HEADER": "Authorization: Basic {}".format,
    "HEADER": "Bearer {}".format,
    "FLAGS": "--password {} --quiet".format,
    "SIGNED": "https://s3.example.com/a?X-Amz-Signature={}&b=1".format,
    "DOCKER_CONFIG_JSON": '{{"auths": {{"r.example.com": {{"auth": "{}"}}}}}}'.format,
    "SETTINGS": "colour=blue api_token='{}'".format,
    "INLINE": "export REGISTRY_PASSWORD={}; true".format,
}
# Told by their own form, in whatever variable and sentence they stand.
ISSUED: dict[str, Callable[[str], str]] = {
    "GITHUB": "ghp_{}".format,
    "GITHUB_FINE": "github_pat_11{}".format,
    "GITHUB_APP": "ghs_{}".format,
    "GITLAB": "glpat-{}".format,
    "SLACK": "xoxb-{}".format,
    "OPENAI": "sk-{}".format,
    "AGE": lambda token: f"AGE-SECRET-KEY-1{token.upper()}",
    "JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{}".format,
}

# Not a word of the language: letters of both cases and digits.
TOKENS = st.text(
    "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=20, max_size=40
).filter(
    lambda text: (
        any(map(str.isdigit, text)) and len(set(text)) > 8 and text not in (text.lower(), text.upper())
    )
)

# What tools, engines and servers make of a value that they print.
PRINTED: dict[str, Callable[[str], str]] = {
    "as it is": "the value is {}".format,
    "in base64": lambda token: base64.b64encode(token.encode()).decode(),
    "in base64, one byte on": lambda token: base64.b64encode(f":{token}\n".encode()).decode(),
    "in base64, two bytes on": lambda token: base64.urlsafe_b64encode(f"me{token}".encode()).decode(),
    "in hex": lambda token: token.encode().hex(),
    "in a URL": lambda token: quote(f"https://h/?x={token}", safe=""),
    "in JSON": lambda token: json.dumps({"v": f"{token}\n"}),
    "cut": lambda token: f"login failed for {token[:-3]}",
    "from its middle": lambda token: f"…{token[1:]}",
}

PROMISES = """\
apiVersion: builder-contracts/v1
kind: BuilderClass
metadata: {name: sample, summary: Speaks of everything that facts hold, owner: me}
labels: [sample]
image: {reference: sample, labels: {NAME: VALUE, title: PRINTED}}
identity: {user: runner, uid: 1001}
toolchain: {git: {version: ">=99"}}
environment:
  variables:
    VARIABLE: {equals: VALUE}
    HOME: {equals: PRINTED}
    OTHER: {equals: nothing}
    ALSO: {matches: VALUE}
  forbidden_values: {old: ".+"}
daemon: {endpoint: "tcp://localhost:2375", ready_within: 30}
"""


def promises(folder: Path, name: str, value: str, printed: str) -> Contract:
    """A contract that promises a secret, of all things."""
    words = {
        "NAME": json.dumps(name),
        "VARIABLE": re.sub(r"\W", "_", name),
        "VALUE": json.dumps(value),
        "PRINTED": json.dumps(printed),
    }
    path = folder / "sample.yaml"
    path.write_text(re.sub("|".join(words), lambda match: words[match[0]], PROMISES), "utf-8")
    return load(path)


def planted(name: str, value: str, printed: str) -> Facts:
    """Facts of a runner whose variable and label hold a secret, and that says it again wherever it says something."""
    return facts(
        env={name: value, "HOME": printed, "OTHER": f"<{value}>"},
        image=dataclasses.replace(IMAGE, labels={name: value, "title": printed}, entrypoint=["/init", value]),
        start=StartFacts(exists=True, started=True, output=printed),
        runner=dataclasses.replace(RUNNER, host=f"Debian, proxy {value}", identity=printed),
        path=f"/bin:{printed}",
        tools={"git": ToolFacts("/bin/git", output=f"git {value} {printed}", status=0)},
        daemon=DaemonFacts(False, f"cannot reach {value}: {printed}"),
        identity=Unseen(f"the engine said {printed} of {value}"),
    )


def outputs(contract: Contract, runner: Facts) -> dict[str, str]:
    """Everything that leaves the harness and speaks of these facts."""
    verdicts = [judge(clause, runner, contract, today=date(2026, 3, 12)) for clause in contract.clauses]
    return {
        "facts": to_json(runner),
        "diff": str(flatten(runner)),
        "facts again": to_json(from_json(to_json(runner), "facts.json")),
        "terminal": reported(verdicts, "terminal"),
        "reports": reported(verdicts, *(FORMATS.keys() - {"terminal"})),
    }


def reported(verdicts: list[Verdict], *forms: str) -> str:
    """What reports in these formats hold."""
    stream = io.StringIO()
    requests = [ReportRequest(form, None, form) for form in forms]
    with open_reports(requests, stdout=stream, stderr=stream, env={}, verbose=True) as reports:
        reports.begin(RunInfo("id", "check", Path("/"), "2026-03-12T02:00:11Z"))
        for verdict in verdicts:
            reports.add(verdict)
        reports.end(RunSummary(ExitCode.BROKEN, 1.0))
    return stream.getvalue()


def traces(token: str) -> list[str]:
    """What would betray a token: twelve characters of it or of an encoding of it."""
    encoded = [token, token.upper(), token.encode().hex()]
    encoded += [base64.b64encode(b"\0" * shift + token.encode()).decode()[4:-4] for shift in range(3)]
    return [text[start : start + 12] for text in encoded for start in range(len(text) - 11)]


def leaks(texts: dict[str, str], token: str) -> list[str]:
    return [name for name, text in texts.items() if any(trace in text for trace in traces(token))]


@pytest.mark.parametrize("form", [*NAMED, *ISSUED])
@settings(max_examples=max(5, settings().max_examples // 4))
@given(TOKENS, st.sampled_from(sorted(PRINTED)))
def test_planted_secret_is_in_no_output(
    tmp_path_factory: pytest.TempPathFactory, form: str, token: str, way: str
) -> None:
    redaction.forget()
    token = token.upper() if form == "AGE" else token
    secret = ISSUED.get(form, str)(token)
    value, printed = NAMED.get(form, "at {} end".format)(secret), PRINTED[way](secret)
    name = form if form in NAMED else "TAGGED"
    runner = planted(name, value, printed)
    redaction.learn_data(dataclasses.asdict(runner))
    contract = promises(tmp_path_factory.getbasetemp(), name, value, printed)
    assert leaks(outputs(contract, runner), token) == []


def test_a_secret_that_nobody_can_recognise_would_be_found() -> None:
    """The search itself works: the same outputs hold a token that has neither name nor form."""
    token = "aB3dE5gH7jK9mN2pQ4rS"
    assert leaks({"facts": to_json(planted("TAGGED", token, "nothing"))}, token) == ["facts"]


MESSAGES = [
    "Basic authentication is required",
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
    "token: expected a string, PASS=3 FAIL=0",
    f"debian:sid@sha256:{'4f1c' * 16}",
    "http://me@host/path:1@2",
    '{"a":"http://h","b":"x@y"}',
    "git@github.com:owner/repository.git ssh://git@github.com/owner/repository",
    "trusted-public-keys = cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=",
    "KEYMAP=de-latin1 PWD=/home/runner/work SSH_AUTH_SOCK=/run/ssh-agent CACHE_KEY=linux-abc123 GIT_CONFIG_KEY_0=core.autocrlf",
    "sk-learning-is-nice-and-long",
    "PASSWORD is set (value hidden)",
    "main/toolchain/git: 2.51.0, promised >=2.40 on the job's PATH of the runner",
]


@pytest.mark.parametrize("text", MESSAGES)
def test_a_message_without_a_secret_stays_as_it_is(text: str) -> None:
    redactor = Redactor()
    redactor.learn_variables(
        {
            "TOKEN": "main",
            "PASSWORD": "runner",
            "AUTH": "true",
            "SIGNING_KEY": "abc",
            "ANOTHER_TOKEN": getpass.getuser(),
            "CREDENTIALS": "/home/runner/.docker/config.json",
            "LIMIT_TOKENS": "100000",
            "ACCESS_KEY": "$FROM_ELSEWHERE",
            "AUTH_URL": "https://github.com/login",
        }
    )
    redactor.learn_text(text)
    assert redactor.redact(text) == text


def test_a_sentence_is_a_secret_as_a_whole_only() -> None:
    redactor = Redactor(["correct horse battery staple"])
    assert redactor.redact("say correct horse battery staple") == f"say {REDACTED}"
    assert redactor.redact("the correct horse won") == "the correct horse won"


@pytest.mark.parametrize(
    ("name", "secret"),
    [(name, True) for name in [*NAMED][:17]]
    + [
        (name, False)
        for name in "PWD OLDPWD PATH KEYMAP KEYBOARD AUTHOR MONKEY COMPASS PASSWORD_FILE SSH_AUTH_SOCK PUBLIC_KEY "
        "NIX_TRUSTED_PUBLIC_KEYS TOKENIZERS_PARALLELISM LS_COLORS HOME".split()
    ],
)
def test_names_tell_secrets(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


@given(st.text(), st.lists(st.text(min_size=6, max_size=30), max_size=4))
def test_redacting_again_changes_nothing(text: str, secrets: list[str]) -> None:
    redactor = Redactor(secrets)
    once = redactor.redact(text + "".join(secrets))
    assert hide_forms(once) == once


@given(
    st.lists(st.text(min_size=6, max_size=30).filter(is_learnable), min_size=1, max_size=4),
    st.text(),
    st.text(),
)
def test_a_known_value_is_gone_from_any_text(secrets: list[str], before: str, after: str) -> None:
    redactor = Redactor(secrets)
    secrets = [secret.strip() for secret in secrets if is_learnable(secret.strip())]
    text = redactor.redact(f"{before}{'|'.join(secrets)}{after}")
    assert not [secret for secret in secrets if secret in text and secret not in REDACTED]


def test_a_value_learnt_late_is_gone_from_texts_shown_before() -> None:
    redactor = Redactor()
    text = "the value is aB3dE5gH7jK9mN2pQ4rS"
    assert redactor.redact(text) == text
    redactor.learn("aB3dE5gH7jK9mN2pQ4rS")
    assert redactor.redact(text) == f"the value is {REDACTED}"


@pytest.mark.parametrize("text", ["?sig=d/{}", "BeareR {}", "to\N{KELVIN SIGN}en {}", "login me password {}"])
def test_a_secret_is_known_by_its_place_alone(text: str) -> None:
    assert "aB3dE5gH7jK9mN2pQ4rS" not in hide_forms(text.format("aB3dE5gH7jK9mN2pQ4rS"))


@given(st.binary(), TOKENS)
def test_bytes_keep_their_length_and_the_rest(around: bytes, token: str) -> None:
    output = around + token.encode() + around
    redacted = Redactor([token]).redact_bytes(output)
    assert redacted == around + b"*" * len(token) + around


def test_names_that_differ_in_a_secret_only_stay_apart() -> None:
    redactor = Redactor(["s3cr3t-one", "s3cr3t-two"])
    redacted = redactor.redact_data({"s3cr3t-one": 1, "s3cr3t-two": [2, ("s3cr3t-one", None)]})
    assert redacted == {REDACTED: 1, f"{REDACTED} 2": [2, (REDACTED, None)]}


def test_an_error_shows_neither_a_token_nor_this_process_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI_JOB_TOKEN", "aB3dE5gH7jK9mN2pQ4rS")
    path = tmp_path / "sample.yaml"
    path.write_text("kind: aB3dE5gH7jK9mN2pQ4rS\napiVersion: ghp_zY9xW7vU5tS3rQ1pO9nM\n", "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["validate", str(path)])
    assert ended.value.code == 3
    shown = "".join(capsys.readouterr())
    assert REDACTED in shown
    assert (
        leaks({"error": shown}, "aB3dE5gH7jK9mN2pQ4rS") + leaks({"error": shown}, "zY9xW7vU5tS3rQ1pO9nM")
        == []
    )


def test_what_is_printed_and_what_is_raised_hides_secrets() -> None:
    redaction.learn_value("aB3dE5gH7jK9mN2pQ4rS")
    text = "lost aB3dE5gH7jK9mN2pQ4rS at tcp://u:zY9xW7vU5tS3@h"
    shown = f"lost {REDACTED} at tcp://u:{REDACTED}@h"
    assert printable(text) == shown
    assert str(EngineError(text)) == shown
    assert str(InputError([Problem(Location("a", 1), text, "none")])) == f"a:1: {shown}\n    fix: none"
