"""Facts as JSON: nothing is lost, nothing secret is written, nothing else is believed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder_contracts.errors import InputError
from builder_contracts.facts.json_codec import flatten, from_json, load_facts, to_json
from builder_contracts.facts.model import (
    SCHEMA,
    AttemptFacts,
    DirectoryFacts,
    Facts,
    IsolationFacts,
    StartFacts,
    ToolFacts,
    Unseen,
)
from builder_contracts.redaction import REDACTED, redact_variable
from tests.unit.generated_facts import ANY_FACTS, all_unseen
from tests.unit.judge.observed import facts

patient = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

FACTS = ANY_FACTS.map(lambda original: dataclasses.replace(original, schema=SCHEMA))


@patient
@given(FACTS)
def test_facts_survive_being_saved_and_differ_where_changed(original: Facts) -> None:
    text, flat = to_json(original), flatten(original)
    saved = from_json(text, "f.json")
    assert to_json(saved) == text
    assert flatten(saved) == flat
    other = dataclasses.replace(
        original, seconds=original.seconds + 1 if abs(original.seconds) < 1e9 else 0.5
    )
    changed = {key for key, value in flatten(other).items() if flat.get(key) != value}
    assert changed == {"seconds"}


def test_names_that_look_like_the_marks_of_the_unseen_are_names() -> None:
    original = dataclasses.replace(
        facts(env={"reason": "x", "provable_here": "y"}),
        tools={
            "reason": ToolFacts(
                "/bin/reason", features={"reason": Unseen("hung"), "provable_here": Unseen("hung")}
            )
        },
    )
    assert from_json(to_json(original), "f.json") == original
    flat = flatten(original)
    assert flat["env.reason"] == '"x"'
    assert flat["tools.reason.path"] == '"/bin/reason"'
    assert flat["tools.reason.features.provable_here"] == "not observed: hung"


def test_what_was_not_seen_keeps_its_reason() -> None:
    assert from_json(to_json(all_unseen()), "f.json") == all_unseen()
    assert flatten(all_unseen())["isolation.mount"] == "not observed: nobody looked"


@pytest.mark.parametrize(
    "name", ["ATTIC_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD", "api_key", "GIT_CREDENTIALS", "HTTP_AUTH"]
)
def test_values_of_secrets_are_written_nowhere(name: str) -> None:
    original = facts(env={name: "hunter2", "HOME": "/home/runner"})
    assert "hunter2" not in to_json(original)
    assert "hunter2" not in str(flatten(original))
    assert json.loads(to_json(original))["env"] == {name: REDACTED, "HOME": "/home/runner"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("http://me:hunter2@proxy:3128/", "http://me:(redacted)@proxy:3128/"),
        ("http://:hunter2@proxy", "http://:(redacted)@proxy"),
        ("https://me:p@ss@host/a https://x:y@z", "https://me:(redacted)@host/a https://x:(redacted)@z"),
        ("tcp://localhost:2375", "tcp://localhost:2375"),
        ("http://me@host/path:1@2", "http://me@host/path:1@2"),
    ],
)
def test_passwords_in_addresses_are_not_shown(value: str, shown: str) -> None:
    assert redact_variable("HTTP_PROXY", value) == shown


def changed(section: str = "", **fields: Any) -> str:
    """Saved facts with other fields, at the top or in a section."""
    data = json.loads(to_json(facts()))
    (data[section] if section else data).update(fields)
    return json.dumps(data)


def test_huge_facts_are_rejected_unread(tmp_path: Path) -> None:
    with (tmp_path / "facts.json").open("wb") as stream:
        stream.truncate(3 << 30)
    with pytest.raises(InputError, match=r"facts\.json: file exceeds 16,000,000 bytes"):
        load_facts(tmp_path / "facts.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.json:1: not JSON: Expecting value"),
        ("{\n nonsense", "f.json:2: not JSON: "),
        ("[" * 100_000, "f.json: not JSON: nested too deeply"),
        ('{"schema": ' + "9" * 5000 + "}", "f.json: not JSON: "),
        ("[]", "not facts: the field 'schema' is not builder-contracts/facts/v2"),
        ('{"schema": "builder-contracts/facts/v0"}', "not facts"),
        (f'{{"schema": "{SCHEMA}"}}', "corrupt: the document is missing field 'runner'"),
        (changed(env={"A": "\ud800"}), "corrupt: .env.A contains an unpaired surrogate: '\\ud800'"),
        (changed(env={"\ud800": "A"}), "corrupt: .env contains an unpaired surrogate"),
        (changed(env={"A": 1}), "corrupt: .env.A is 1, expected text"),
        (
            changed("identity", uid=1001.9),
            "corrupt: .identity.uid is 1001.9, expected a whole number",
        ),
        (
            changed("identity", uid="1001"),
            'corrupt: .identity.uid is "1001", expected a whole number',
        ),
        (changed("identity", uid=True), "corrupt: .identity.uid is true, expected a whole number"),
        (changed("start", started="no"), 'corrupt: .start.started is "no", expected true or false'),
        (changed("image", entrypoint="abc"), 'corrupt: .image.entrypoint is "abc", expected a list'),
        (changed("image", reference=["a"]), "corrupt: .image.reference is a list, expected text"),
        (changed(seconds="1"), 'corrupt: .seconds is "1", expected a number'),
        (changed(network="none"), 'corrupt: .network is "none", expected a mapping'),
        (changed("network", default_routes=[None]), "corrupt: .network.default_routes[0] is null"),
        (changed("network", nonsense=[None]), "corrupt: .network has unknown field 'nonsense'"),
    ],
)
def test_what_is_no_facts_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        from_json(text, "f.json")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["reason", "provable_here", "a"]), inner)
    ),
    max_leaves=5,
)


# The damage is what varies, so it is cheap to draw much of it.
@settings(max_examples=100)
@given(st.sampled_from([to_json(facts()), to_json(all_unseen())]), st.data())
def test_damaged_facts_are_refused_or_read_but_never_crash(saved: str, data: st.DataObject) -> None:
    document = json.loads(saved)
    field = data.draw(st.sampled_from(sorted(document)))
    section = document[field]
    if isinstance(section, dict) and section and data.draw(st.booleans()):
        section[data.draw(st.sampled_from(sorted(section)))] = data.draw(JSON)
    else:
        document[field] = data.draw(JSON)
    text = json.dumps(document)
    try:
        read = from_json(text, "f.json")
    except InputError as error:
        output = str(error)
    else:
        output = to_json(read)
    assert output


def test_no_fact_acts_on_a_terminal_that_shows_them() -> None:
    hostile = facts(env={"A": "\x9b31m\x7f\u202e"})
    text = to_json(hostile)
    assert all(line.isprintable() for line in text.split("\n"))
    assert from_json(text, "f.json").env == hostile.env


def test_facts_of_version_1_are_read() -> None:
    original = dataclasses.replace(facts(), image=Unseen("no engine", provable_here=False))
    data = json.loads(to_json(original)) | {"schema": "builder-contracts/facts/v1"}
    data["image"] = {"unseen": "no engine", "here": False}
    assert from_json(json.dumps(data), "f.json") == original


def test_answers_of_version_1_have_their_old_name() -> None:
    original = facts(
        start=StartFacts(True, False, "no space left"),
        isolation=IsolationFacts(mount=AttemptFacts(False, "denied")),
        env={"said": "hello", "HOME": "/"},
        tools={"said": ToolFacts("/bin/said", 0, "1")},
        search_path=[DirectoryFacts("/bin", True, False, mode=Unseen("no stat"))],
    )
    data = json.loads(to_json(original)) | {"schema": "builder-contracts/facts/v1"}
    for later in ("image", "digest"):
        del data["start"][later]
    for record in (data["start"], data["isolation"]["mount"]):
        record["said"] = record.pop("output")
    data["search_path"][0]["mode"] = {"unseen": "no stat", "here": True}
    assert from_json(json.dumps(data), "f.json") == original
