"""Rows of the table for packages, accounts, processes and commands."""

from __future__ import annotations

import re

from builder_contracts.contract.promises.accounts import GroupAccount, UserAccount
from builder_contracts.contract.promises.commands import JobCommand, OutputPatterns
from builder_contracts.contract.promises.packages import PackagePromise
from builder_contracts.contract.promises.processes import RunningProcess
from builder_contracts.facts.model import (
    HUNG,
    NOT_ASKED,
    AccountFacts,
    CommandFacts,
    Facts,
    GroupEntryFacts,
    InstalledPackage,
    PackageFacts,
    Seen,
    Unseen,
    UserEntryFacts,
)
from builder_contracts.tools.package_order import PackageRange
from tests.unit.judge.observed import LOST, Row, broken, facts, kept, unproven


def packages(*versions: str, manager: str = "dpkg", state: str = "installed") -> Facts:
    installed = [InstalledPackage(version, state) for version in versions]
    return facts(packages=PackageFacts(manager, {"openssl": installed}))


def openssl(version: str) -> PackagePromise:
    return PackagePromise("openssl", version=PackageRange(version))


def ended(
    status: int, output: str = "", control: Seen[float] = NOT_ASKED, **streams: dict[str, Seen[str | None]]
) -> Facts:
    return facts(commands={"ls": CommandFacts(status, output, control=control, **streams)})


def command(status: int = 0, *, matches: str = "", forbids: str = "", stream: str = "stdout") -> JobCommand:
    patterns = OutputPatterns(*(tuple(map(re.compile, filter(None, [text]))) for text in (matches, forbids)))
    return JobCommand("ls", ("ls", "a b"), status=status, **{stream: patterns})  # type: ignore[arg-type]  # one of two


USER = UserEntryFacts(30001, 30000, "/var/empty", "/sbin/nologin", ["nixbld"])
GROUP = GroupEntryFacts(30000, ["nixbld1"])
ACCOUNTS = facts(
    accounts=AccountFacts({"nixbld1": USER, "games": None}, {"nixbld": GROUP, "docker": None, "empty": GroupEntryFacts(7, [])})
)  # fmt: skip
AGENT = RunningProcess("agent", user="runner")
SLOW = Unseen("took longer than 1 s")

SYSTEM: dict[str, list[Row]] = {
    "packages": [
        kept("installed", PackagePromise("openssl"), packages("3.0.15-1"), "dpkg has openssl 3.0.15-1"),
        broken("missing", PackagePromise("openssl"), packages(), "dpkg does not list openssl", "package list lost it"),
        kept("absent", PackagePromise("openssl", present=False), packages(), "does not list openssl"),
        broken("pulled in", PackagePromise("openssl", present=False), packages("3.0"), "dpkg has openssl 3.0", "pulled it in"),
        broken("half of it", PackagePromise("openssl"), packages("3.0", state="half-configured"), "3.0 (half-configured)", "its scripts failed"),
        broken("even half of it", PackagePromise("openssl", present=False), packages("3.0", state="unpacked"), "3.0 (unpacked)", "pulled it in"),
        kept("in range", openssl(">=3.0.15-1~deb12u1,<4"), packages("3.0.15-1~deb12u1"), "3.0.15-1~deb12u1"),
        broken("backport is older", openssl(">=3.0.15-1"), packages("3.0.15-1~bpo12"), "~bpo12", "does not satisfy >=3.0.15-1 in dpkg's order"),
        broken("one of two is old", openssl(">=2"), packages("3.0", "1.9"), "3.0, 1.9", "does not satisfy >=2"),
        kept("any release of rpm", openssl("==3.0"), packages("3.0-7.el9", manager="rpm"), "rpm has openssl 3.0-7.el9"),
        broken("no release of apk", openssl("==3.0"), packages("3.0-r7", manager="apk"), "3.0-r7", "in apk's order"),
        unproven("no version of apk", openssl(">=3.0+x"), packages("3.0-r7", manager="apk"), "apk does not accept the version '3.0+x'"),
        unproven("not asked", PackagePromise("curl"), packages("3.0"), "not part of this observation"),
        unproven("no manager", PackagePromise("curl"), facts(packages=LOST), "did not complete"),
    ],
    "accounts": [
        kept("user", UserAccount("nixbld1"), ACCOUNTS, "/etc/passwd has an entry for nixbld1"),
        kept("whole user", UserAccount("nixbld1", True, 30001, 30000, "/var/empty", "/sbin/nologin", ("nixbld",)), ACCOUNTS, "uid 30001, gid 30000, home /var/empty"),
        broken("other uid", UserAccount("nixbld1", uid=1), ACCOUNTS, "uid 30001", "another package or build step"),
        broken("other gid", UserAccount("nixbld1", gid=1), ACCOUNTS, "gid 30000", "created the user"),
        broken("other home", UserAccount("nixbld1", home="/"), ACCOUNTS, "home /var/empty", "created the user"),
        broken("other shell", UserAccount("nixbld1", True, None, None, None, "/bin/sh"), ACCOUNTS, "shell /sbin/nologin", "created the user"),
        broken("more groups", UserAccount("nixbld1", groups=()), ACCOUNTS, "groups nixbld", "created the user"),
        broken("no user", UserAccount("games"), ACCOUNTS, "no entry for games", "creates the user"),
        kept("absent user", UserAccount("games", present=False), ACCOUNTS, "no entry for games"),
        broken("unwanted user", UserAccount("nixbld1", present=False), ACCOUNTS, "has an entry for nixbld1", "creates the user"),
        kept("group", GroupAccount("nixbld", gid=30000, members=("nixbld1",)), ACCOUNTS, "gid 30000, members nixbld1"),
        kept("no members", GroupAccount("empty", members=()), ACCOUNTS, "members none"),
        broken("a member", GroupAccount("nixbld", members=()), ACCOUNTS, "members nixbld1", "created the group"),
        broken("number of the group", GroupAccount("nixbld", gid=1), ACCOUNTS, "gid 30000", "created the group"),
        kept("absent group", GroupAccount("docker", present=False), ACCOUNTS, "/etc/group has no entry for docker"),
        broken("unwanted group", GroupAccount("nixbld", present=False), ACCOUNTS, "/etc/group has an entry", "creates the group"),
        unproven("user not asked", UserAccount("root"), ACCOUNTS, "not part of this observation"),
        unproven("group not asked", GroupAccount("root"), ACCOUNTS, "not part of this observation"),
        unproven("file unreadable", GroupAccount("root"), facts(accounts=LOST), "did not complete"),
    ],
    "processes": [
        kept("runs", AGENT, facts(processes={"agent": ["runner", "runner"]}), "2 running as runner"),
        broken("runs as another", AGENT, facts(processes={"agent": ["root", "runner"]}), "1 running as root, 1 running as runner", "did not drop"),
        broken("does not run", AGENT, facts(processes={"agent": []}), "no such process", "nothing in the image"),
        kept("absent", RunningProcess("sshd", running=False), facts(processes={"sshd": []}), "no such process"),
        broken("unwanted", RunningProcess("sshd", running=False), facts(processes={"sshd": ["root"]}), "1 running as root", "starts it"),
        unproven("other arguments", RunningProcess("sshd", arguments=re.compile("-D")), facts(processes={"sshd": ["root"]}), "not part of this observation"),
        unproven("hidden", AGENT, facts(processes={"agent": LOST}), "did not complete"),
    ],
    "commands": [
        kept("succeeds", command(), ended(0), "exited with status 0"),
        broken("fails", command(), ended(2, "ls: no such file"), "'ls 'a b'' exited with status 2: ls: no such file", "its own message"),
        broken("no such program", command(), ended(126, 'exec: "ls": executable file not found in $PATH'), "status 126", "the image lacks ls"),
        broken("not found with another status", command(), ended(2, "ls: /x: not found"), "status 2: ls: /x: not found", "its own message"),
        broken("not found by a shell", command(), ended(127, "sh: ls: not found"), "status 127", "the image lacks ls"),
        broken("does not start for another reason", command(), ended(126, "exec format error"), "status 126", "another architecture"),
        kept("fails as promised", command(2), ended(2), "exited with status 2"),
        broken("must not succeed", command(2), ended(0, "fine"), "status 0: fine", "must exit with 2"),
        unproven("hangs on a busy host", command(), ended(HUNG, control=2.6), "'ls 'a b'' did not end in time, but the runner was busy: a control command took 2.6 s"),
        unproven("killed, and no control ran", command(), ended(137), "was killed (status 137), and no control shows why"),
        broken("hangs", command(), ended(HUNG, control=0.1), "did not end within 10 s: no output", "it hangs"),
        kept("status of a time limit", command(HUNG), ended(HUNG), "exited with status 124"),
        kept("expected text", command(matches="a+"), ended(0, stdout={"a+": "caat"}), "stdout: caat"),
        broken("other text", command(matches="a+"), ended(0, "dog", stdout={"a+": None}), "stdout of 'ls 'a b'' does not match /a+/: dog", "another release"),
        broken("forbidden text", command(forbids="a+"), ended(0, stdout={"a+": "caat"}), "matches /a+/: caat", "forbidden text"),
        kept("no forbidden text", command(forbids="a+"), ended(0, stdout={"a+": None}), "status 0"),
        broken("forbidden error", command(forbids="a+", stream="stderr"), ended(0, stderr={"a+": "caat"}), "stderr of", "forbidden text"),
        broken("seen before unseen", command(matches="x", forbids="a+"), ended(0, stdout={"x": SLOW, "a+": "caat"}), "matches /a+/", "forbidden text"),
        unproven("search too long", command(matches="x"), ended(0, stdout={"x": SLOW}), "longer than 1 s"),
        unproven("pattern not asked", command(matches="x"), ended(0), "not part of this observation"),
        unproven("not run", command(), facts(), "not part of this observation"),
        unproven("runner lost", command(), facts(commands={"ls": LOST}), "did not complete"),
    ],
}  # fmt: skip
