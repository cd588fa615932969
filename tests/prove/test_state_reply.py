"""Replies of stores of states, read from what the outside client answers."""

from __future__ import annotations

import base64

from builder_contracts.prove.publish_attempt import is_put_unsupported, put_unsupported
from builder_contracts.prove.state_reply import StateReply


def test_reply_has_status_detail_and_text() -> None:
    answer = {"status": 409, "detail": "taken", "body": base64.b64encode(b"held \xff").decode()}
    assert StateReply.of(answer) == StateReply("409", "taken", "held \ufffd")


def test_server_without_put_is_never_proved() -> None:
    supported = {answer: not is_put_unsupported(answer) for answer in ("405 no", "501 no", "403 no", "200")}
    assert supported == {"405 no": False, "501 no": False, "403 no": True, "200": True}
    lost = put_unsupported("http://cache.example")
    assert lost.reason.startswith("http://cache.example does not accept HTTP PUT uploads")
    assert not lost.provable_here
