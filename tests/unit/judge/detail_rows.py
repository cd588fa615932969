"""Rows of the table for groups, settings of the image, proxies, the daemon's address, and details of files."""

from __future__ import annotations

import re
from dataclasses import replace

from builder_contracts.contract.promises.environment import ProxyVariables
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import Gid, Groups
from builder_contracts.contract.promises.image import ImageHealthcheck, ImageSetting
from builder_contracts.facts.model import (
    Facts,
    FeatureFacts,
    FileFacts,
    GroupFacts,
    ImageFacts,
    PathFacts,
    Seen,
    StepFacts,
    Unseen,
    UserFacts,
)
from tests.unit.judge.observed import IMAGE, LOST, NOT_HERE, Row, broken, facts, kept, unproven

PATH = "/opt/file"


def groups(*names: str, gid: int = 1001) -> Facts:
    return facts(groups=[GroupFacts(gid + number, name) for number, name in enumerate(names)])


def image(**changes: object) -> Facts:
    changed: ImageFacts = replace(IMAGE, **changes)  # type: ignore[arg-type]  # a row gives any of them
    return facts(image=changed)


def checked(status: int, output: str = "") -> Facts:
    return replace(image(healthcheck=["CMD", "probe"]), healthcheck=FeatureFacts(status, output))


def file(*, kind: str = "file", symlink: bool = False, **details: object) -> Facts:
    fields: dict[str, object] = {"executable": False, "uid": 0, "gid": 0, "group": "root", **details}
    observed = FileFacts(**fields)  # type: ignore[arg-type]  # a row gives any of them
    return facts(paths={PATH: PathFacts(kind, symlink)}, files={PATH: observed})


def lines(**found: Seen[str | None]) -> Facts:
    return file(lines=found)


def as_group(gid: int) -> Facts:
    return facts(
        identity=UserFacts(1001, gid, "runner", "/home/runner", home_exists=True, home_writable=True)
    )


DETAILS: dict[str, list[Row]] = {
    "identity": [
        kept("gid", Gid(1001), as_group(1001), "gid 1001"),
        broken("group of root", Gid(1001), as_group(0), "gid 0", "runAsGroup"),
        unproven("gid unseen", Gid(1001), facts(identity=LOST), "did not complete"),
        kept("allowed group", Groups(("runner",), ("docker",)), groups("runner"), "groups runner"),
        broken("group beyond the allowed", Groups(("runner",), ()), groups("runner", "games"), "groups runner, games", "to games"),
        broken("forbidden group", Groups((), ("docker",)), groups("runner", "docker"), "docker", "to docker"),
        broken("root's group by another name", Groups((), ("root",)), groups("wheel", gid=0), "wheel", "to root"),
        broken("root's group without a name", Groups((), ("root",)), facts(groups=[GroupFacts(0, "")]), "root", "to root"),
        broken("a group without a name beside root's", Groups(("root",), ()), facts(groups=[GroupFacts(0, ""), GroupFacts(1, "")]), "root, 1", "to 1"),
        broken("group without a name", Groups(("runner",), ()), groups("runner", ""), "1002", "to 1002"),
        kept("group that nothing forbids", Groups((), ("docker",)), groups("runner", "games"), "runner, games"),
        unproven("groups unseen", Groups((), ("docker",)), facts(groups=LOST), "did not complete"),
    ],
    "image": [
        kept("command", ImageSetting("CMD", ("/bin/bash",)), image(cmd=["/bin/bash"]), "CMD /bin/bash"),
        broken("other command", ImageSetting("CMD", ("/bin/bash",)), image(cmd=["/bin/sh"]), "CMD /bin/sh", "CMD changed"),
        broken("command where none may be", ImageSetting("CMD", ()), image(cmd=["/bin/sh"]), "CMD /bin/sh", "CMD changed"),
        kept("no volume", ImageSetting("VOLUME", ()), image(), "no VOLUME"),
        kept("volumes in any order", ImageSetting("VOLUME", ("/a", "/b")), image(volumes=["/b", "/a"]), "VOLUME /a /b"),
        broken("volume", ImageSetting("VOLUME", ()), image(volumes=["/a"]), "VOLUME /a", "VOLUME changed"),
        kept("directory", ImageSetting("WORKDIR", ("/",)), image(), "WORKDIR /"),
        broken("other directory", ImageSetting("WORKDIR", ("/w",)), image(), "WORKDIR /", "WORKDIR changed"),
        broken("no user", ImageSetting("USER", ("runner",)), image(), "USER root", "USER changed"),
        kept("user", ImageSetting("USER", ("runner",)), image(user="runner"), "USER runner"),
        kept("signal by default", ImageSetting("STOPSIGNAL", ("SIGTERM",)), image(), "STOPSIGNAL SIGTERM"),
        kept("signal by number", ImageSetting("STOPSIGNAL", ("SIGTERM",)), image(stop_signal="15"), "STOPSIGNAL SIGTERM"),
        broken("signal", ImageSetting("STOPSIGNAL", ("SIGTERM",)), image(stop_signal="SIGKILL"), "SIGKILL", "STOPSIGNAL changed"),
        unproven("image unseen", ImageSetting("CMD", ()), facts(image=NOT_HERE), "no runner", provable_here=False),
        kept("no health check", ImageHealthcheck(False), image(), "no HEALTHCHECK"),
        kept("health check turned off", ImageHealthcheck(False), image(healthcheck=["NONE"]), "no HEALTHCHECK"),
        broken("health check", ImageHealthcheck(False), image(healthcheck=["CMD", "probe"]), "HEALTHCHECK CMD probe", "sets it"),
        broken("health check missing", ImageHealthcheck(True), image(), "no HEALTHCHECK", "lacks a HEALTHCHECK line"),
        kept("healthy", ImageHealthcheck(True), checked(0), "exited with status 0"),
        broken("unhealthy", ImageHealthcheck(True), checked(1, "refused"), "exited with status 1: refused", "does not work"),
        broken("unhealthy and silent", ImageHealthcheck(True), checked(1), "status 1: no output", "does not work"),
        unproven("health check not run", ImageHealthcheck(True), image(healthcheck=["CMD", "probe"]), "not part of this observation"),
    ],
    "environment": [
        kept("no proxy", ProxyVariables(()), facts(), "no proxy variable set"),
        kept("proxy without a value is none", ProxyVariables(()), facts(env={"http_proxy": ""}), "no proxy variable"),
        broken("proxy", ProxyVariables(()), facts(env={"HTTP_PROXY": "http://p"}), "HTTP_PROXY is set", "proxies setting"),
        kept("promised proxy", ProxyVariables((("no_proxy", "x"),)), facts(env={"no_proxy": "x"}), "no_proxy set"),
        broken("other proxy", ProxyVariables((("no_proxy", "x"),)), facts(env={"no_proxy": "y"}), "no_proxy has another value", "ENV line"),
        broken("proxy missing", ProxyVariables((("no_proxy", "x"),)), facts(), "no_proxy is not set", "ENV line"),
        broken("proxy of a step", ProxyVariables(()), facts(steps={"bash -e": StepFacts({"all_proxy": "p"})}), "in 'bash -e': all_proxy is set", "changes it for steps"),
        unproven("variables unseen", ProxyVariables(()), facts(env=LOST), "did not complete"),
    ],
    "filesystem": [
        kept("all details", PathState(PATH, uid=0, gid=0, group="root", executable=False, sha256="ab"), file(sha256="ab"), "uid 0, gid 0, group root, not executable, sha256 ab"),
        broken("other uid", PathState(PATH, uid=1), file(), "uid 0", "different user"),
        broken("other gid", PathState(PATH, gid=1), file(), "gid 0", "different group"),
        broken("other group", PathState(PATH, group="runner"), file(), "group root", "different group"),
        broken("executable", PathState(PATH, executable=False), file(executable=True), "executable", "x bit"),
        broken("not executable", PathState(PATH, executable=True), file(), "not executable", "x bit"),
        broken("other checksum", PathState(PATH, sha256="ab"), file(sha256="cd"), "sha256 cd", "another release"),
        kept("target", PathState(PATH, type="symlink", target="/a"), file(kind="directory", symlink=True, target="/a"), "link to /a"),
        broken("other target", PathState(PATH, target="/a"), file(symlink=True, target="/b"), "link to /b", "another target"),
        broken("no link", PathState(PATH, target="/a"), file(target=Unseen("not a symbolic link")), "not a symbolic link", "replaced the link"),
        unproven("checksum unseen", PathState(PATH, sha256="ab"), file(sha256=LOST), "did not complete"),
        unproven("details not asked", PathState(PATH, uid=0), facts(paths={PATH: PathFacts("file")}), "not part of this observation"),
        kept("text", PathState(PATH, contains="a"), lines(a="cat"), "holds 'cat'"),
        broken("other text", PathState(PATH, contains="a"), lines(a=None), "no line of the file matches /a/", "another file"),
        kept("plain text is no pattern", PathState(PATH, contains="a.b"), file(lines={r"a\.b": "a.b"}), "a.b"),
        broken("one of two texts", PathState(PATH, contains="a", matches=re.compile("b+")), file(lines={"a": "a", "b+": None}), "/b+/", "another file"),
        unproven("file too large", PathState(PATH, contains="a"), lines(a=Unseen("larger than 65536 bytes")), "larger"),
        unproven("text not asked", PathState(PATH, contains="a"), lines(b="b"), "not part of this observation"),
    ],
}  # fmt: skip
