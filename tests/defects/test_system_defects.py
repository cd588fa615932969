"""Images that break promises about packages, accounts, processes and commands: exactly these clauses go red."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from builder_contracts.contract.model import Contract
from tests.defects.conftest import Bench

pytestmark = pytest.mark.docker

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
SECTIONS = r"""
job: {start: image}
packages:
  xz-utils: present
  libc6: {version: ">=2.30"}
  openssl: {version: "<99"}
  telnetd: absent
accounts:
  users:
    builder: {uid: 3001, gid: 3001, home: /home/builder, shell: /bin/sh, groups: [builder, games]}
    nobody: present
    intruder: absent
  groups:
    builder: {gid: 3001, members: []}
    docker: absent
processes:
  agent: {user: runner, arguments: 'agent 1000$'}
  sshd: absent
commands:
  words: {run: [wc, -w], stdin: "a b $(id)\n", stdout: {matches: ['^3$']}}
  listing: {run: [cat, /opt/listing], stdout: {matches: [name], forbids: ['(?i)broken']}, stderr: {forbids: [.]}}
  settings: {run: [cat, /opt/settings], status: 1}
  quick: {run: [/opt/quick], within: 2}
"""
SOUND = (
    "RUN useradd -u 3001 -U -G games -m -s /bin/sh builder && echo name >/opt/listing "
    "&& cp /bin/true /opt/quick && cp /bin/sleep /opt/agent && cp /bin/sleep /opt/sshd\n"
    'CMD ["/bin/sh", "-c", "/opt/agent 1000 & sleep 1000"]'
)
STATUS = "/var/lib/dpkg/status"
APK = "/lib/apk/db"
DEFECTS = {
    "sound": ("", {}),
    "packages": (
        f"RUN sed -i '/^Package: xz-utils$/,/^$/s/install ok installed/install ok half-configured/' {STATUS} "
        f"&& printf '\\nPackage: telnetd\\nStatus: install ok installed\\nVersion: 1\\n"
        f"Maintainer: a\\nArchitecture: all\\nDescription: a\\n' >>{STATUS} "
        f"&& sed -i '/^Package: libc6$/,/^$/s/^Version: .*/Version: 2.30~rc1-1/' {STATUS}",
        {
            "packages/xz-utils": "(half-configured)",
            "packages/telnetd": "dpkg has telnetd 1",
            "packages/libc6": "2.30~rc1-1",
        },
    ),
    "packages of apk": (
        f"RUN rm -r /var/lib/dpkg && mkdir -p {APK} && printf 'P:xz-utils\\nV:5-r0\\n\\nP:libc6\\n"
        f"V:2.30_rc1-r0\\n\\nP:openssl\\nV:100-r0\\n\\n' >{APK}/installed",
        {"packages/libc6": "apk has libc6 2.30_rc1-r0", "packages/openssl": "100-r0"},
    ),
    "accounts": (
        "RUN usermod -G docker,games builder 2>/dev/null; groupadd docker; gpasswd -a builder docker; "
        "sed -i 's/^games:x:60:.*/games:x:60:/; s/^builder:.*/builder:x:3001:games/' /etc/group; "
        "useradd -M intruder; sed -i '/^nobody:/d' /etc/passwd",
        {
            "accounts/user/builder": "groups builder, docker",
            "accounts/user/intruder": "has an entry for intruder",
            "accounts/user/nobody": "no entry for nobody",
            "accounts/group/builder": "members games",
            "accounts/group/docker": "has an entry for docker",
        },
    ),
    "processes": (
        'CMD ["/bin/sh", "-c", "/opt/agent 999 & /opt/sshd 1000 & sleep 1000"]',
        {"processes/agent": "no such process", "processes/sshd": "1 running as runner"},
    ),
    "commands": (
        "RUN cp /bin/false /usr/bin/wc && echo name is Broken >/opt/listing && touch /opt/settings "
        "&& printf '#!/bin/sh\\nexec sleep 60\\n' >/opt/quick",
        {
            "commands/words": "exited with status 1",
            "commands/listing": "matches /(?i)broken/: name is Broken",
            "commands/settings": "exited with status 0",
            "commands/quick": "did not end within 2 s",
        },
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_defect_breaks_exactly_its_clauses(
    bench: Bench, write_contract: Callable[..., Contract], name: str
) -> None:
    change, breaks = DEFECTS[name]
    seen = bench.observe(write_contract(SECTIONS), image=bench.build("tinyland-nix", f"{SOUND}\n{change}"))
    assert {clause: seen.verdicts[clause].observation for clause in seen.unproven} == {}
    assert {clause: seen.verdicts[clause].observation for clause in seen.broken - breaks.keys()} == {}
    for clause, observation in breaks.items():
        assert observation in seen.verdicts[clause].observation
        assert seen.verdicts[clause].cause
        # Commands need a run; of all else, both witnesses speak.
        assert len(seen.verdicts[clause].witnesses) == (1 if clause.startswith("commands/") else 2)
        assert not seen.verdicts[clause].one_witness


def test_lie_of_the_image_is_contradicted(bench: Bench, write_contract: Callable[..., Contract]) -> None:
    """The image's dpkg-query says that a package is not installed, and the file says that it is."""
    contract = write_contract("packages: {xz-utils: absent}\n")
    lie = "RUN printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/dpkg-query"
    verdict = bench.observe(contract, image=bench.build("tinyland-nix", lie)).verdicts["packages/xz-utils"]
    assert verdict.outcome.value == "broken"
    assert "do not trust the image's shell and tools" in verdict.cause


def test_no_secret_of_a_file_or_an_output_is_kept(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract(
        "filesystem: {/opt/conf: {matches: 'token'}}\n"
        "commands: {conf: {run: [cat, /opt/conf], stdout: {matches: [token]}}}\n"
    )
    text = f"RUN printf 'first\\ntoken = ghp_%s\\nlast\\n' {TOKEN[4:]} >/opt/conf"
    seen = bench.observe(contract, image=bench.build("tinyland-nix", text))
    assert {seen.verdicts[name].outcome.value for name in ("filesystem/opt/conf", "commands/conf")} == {
        "kept"
    }
    assert TOKEN not in str(seen.facts.files) + str(seen.facts.commands) + str(seen.verdicts)
    assert "last" not in str(seen.facts.files)
