"""Rows of the table for what a job inherits, may gain and must not carry."""

from __future__ import annotations

from dataclasses import replace

from builder_contracts.contract.promises.localization import Locale, TimeZone
from builder_contracts.contract.promises.privileges import FileCapabilities, SetIdFiles, Sudo
from builder_contracts.contract.promises.process import (
    Bounds,
    SharedMemory,
    Sysctl,
    Ulimit,
    Umask,
    WorkingDirectory,
)
from builder_contracts.contract.promises.search_path import SearchPathRule
from builder_contracts.contract.promises.secrets import SecretFree, SecretFreeFiles
from builder_contracts.contract.promises.trust import Certificates, TlsTool
from builder_contracts.facts.model import (
    BundleFacts,
    DirectoryFacts,
    Facts,
    FeatureFacts,
    HandshakeFacts,
    PrivilegeFacts,
    ProcessFacts,
    SharedMemoryFacts,
    StepFacts,
    SudoFacts,
)
from tests.unit.judge.observed import IMAGE, LOST, NOT_HERE, Row, broken, facts, kept, unproven

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
HOME = DirectoryFacts("/home/runner", exists=True, writable=True)


def process(**observed: object) -> Facts:
    return facts(process=ProcessFacts(**observed))  # type: ignore[arg-type]  # a row gives any of them


def inherited(**changed: object) -> Facts:
    """Facts of a job whose steps in bash see this instead."""
    step = StepFacts({"BASH_ENV": "/be"}, **changed)  # type: ignore[arg-type]  # a row gives any of them
    sound = ProcessFacts(directory=HOME, umask=0o022, ulimits={"nofile": 1024, "core": 0})
    return facts(process=sound, steps={"bash -e": step})


def directories(*modes: int, writable: bool = False) -> Facts:
    return facts(search_path=[DirectoryFacts(f"/bin{mode:o}", True, writable, mode) for mode in modes])


def above(mode: int, *, exists: bool) -> Facts:
    """Facts of a job that may write to the directory above one on its PATH."""
    listed = [DirectoryFacts("/opt", True, True, mode), DirectoryFacts("/opt/bin", exists, False, 0o755)]
    return facts(path="/opt/bin", search_path=listed)


def privileges(**observed: object) -> Facts:
    return facts(privileges=PrivilegeFacts(**observed))  # type: ignore[arg-type]  # a row gives any of them


def handshake(trusted: int, unknown: int, bundle: str = "/ca", output: str = "no") -> Facts:
    ends = FeatureFacts(trusted, output), FeatureFacts(unknown, output)
    return facts(handshakes={"curl": HandshakeFacts(bundle, *ends)})


PROMISED: dict[str, list[Row]] = {
    "process": [
        kept("directory", WorkingDirectory("/home/runner"), process(directory=HOME), "/home/runner, writable"),
        broken("other directory", WorkingDirectory("/work"), process(directory=HOME), "start in /home/runner", "WORKDIR"),
        broken("no directory", WorkingDirectory("/home/runner"), process(directory=replace(HOME, exists=False)), "does not exist", "chown"),
        broken("read-only directory", WorkingDirectory("/home/runner"), process(directory=replace(HOME, writable=False)), "is not writable", "chown"),
        unproven("directory unseen", WorkingDirectory("/home/runner"), process(directory=LOST), "did not complete"),
        kept("umask", Umask(0o022), process(umask=0o022), "umask 0022"),
        broken("other umask", Umask(0o022), process(umask=0o077), "umask 0077", "another mask"),
        broken("umask of steps", Umask(0o022), inherited(umask=0o077), "umask 0077 in 'bash -e'", "/be (BASH_ENV) changes it for steps"),
        broken("limit of steps", Ulimit("nofile", Bounds(1024)), inherited(ulimits={"nofile": 99}), "nofile 99 in 'bash -e'", "for steps"),
        broken("no limit for steps", Ulimit("core", Bounds(None, 0)), inherited(ulimits={"core": None}), "core unlimited in 'bash -e'", "for steps"),
        broken("directory of steps", WorkingDirectory("/home/runner"), inherited(directory="/"), "steps start in / in 'bash -e'", "for steps"),
        kept("limit holds for steps", Ulimit("nofile", Bounds(1024)), inherited(ulimits={"nofile": 1024}), "nofile 1024"),
        kept("directory of the job and of steps", WorkingDirectory("/home/runner"), inherited(directory="/home/runner"), "/home/runner"),
        kept("a shell that shows no limit", Ulimit("nofile", Bounds(1024)), inherited(), "nofile 1024"),
        broken("umask of the second shell", Umask(0o022), replace(inherited(), steps={"bash -e": StepFacts({}), "sh -e": StepFacts({}, umask=0)}), "umask 0000 in 'sh -e'", "for steps"),
        kept("steps inherit all", Umask(0o022), inherited(umask=0o022), "umask 0022"),
        kept("a shell that shows nothing of it", Umask(0o022), inherited(), "umask 0022"),
        broken("the job's own before that of steps", Umask(0o007), inherited(umask=0o077), "umask 0022", "another mask"),
        unproven("umask unseen", Umask(0o022), process(umask=LOST), "did not complete"),
        kept("limit at its bound", Ulimit("nofile", Bounds(1024)), process(ulimits={"nofile": 1024}), "nofile 1024"),
        broken("limit below", Ulimit("nofile", Bounds(1024)), process(ulimits={"nofile": 1023}), "nofile 1023", "default-ulimits"),
        kept("unlimited is above", Ulimit("nofile", Bounds(1024)), process(ulimits={"nofile": None}), "unlimited"),
        broken("unlimited has no ceiling", Ulimit("core", Bounds(None, 0)), process(ulimits={"core": None}), "unlimited", "default-ulimits"),
        broken("limit above", Ulimit("core", Bounds(None, 0)), process(ulimits={"core": 1}), "core 1", "default-ulimits"),
        unproven("limit that the kernel lacks", Ulimit("as", Bounds(1)), process(ulimits={}), "no limit as"),
        unproven("limits unseen", Ulimit("as", Bounds(1)), process(ulimits=LOST), "did not complete"),
        kept("setting", Sysctl("a.b", "1 2", Bounds()), process(sysctls={"a.b": "1\t2"}), "a.b = 1"),
        broken("other setting", Sysctl("a.b", "1", Bounds()), process(sysctls={"a.b": "2"}), "a.b = 2", "kernel setting"),
        kept("setting in bounds", Sysctl("a.b", None, Bounds(5, 7)), process(sysctls={"a.b": "7"}), "7"),
        broken("setting out of bounds", Sysctl("a.b", None, Bounds(5, 7)), process(sysctls={"a.b": "8"}), "8", "kernel setting"),
        broken("setting that is no number", Sysctl("a.b", None, Bounds(5)), process(sysctls={"a.b": "x"}), "x", "kernel setting"),
        unproven("setting unseen", Sysctl("a.b", "1", Bounds()), facts(), "not part of this observation"),
        kept("shared memory", SharedMemory(64), process(shared_memory=SharedMemoryFacts(64, True)), "of 64"),
        broken("little shared memory", SharedMemory(65), process(shared_memory=SharedMemoryFacts(64, True)), "of 64", "--shm-size"),
        broken("closed shared memory", SharedMemory(64), process(shared_memory=SharedMemoryFacts(64, False)), "not writable", "--shm-size"),
        unproven("shared memory unseen", SharedMemory(64), process(shared_memory=LOST), "did not complete"),
    ],
    "search_path": [
        kept("absolute", SearchPathRule("relative"), facts(), "PATH is /usr/local/bin"),
        broken("dot", SearchPathRule("relative"), facts(path="/bin:."), "PATH has .", "colon"),
        broken("empty entry", SearchPathRule("relative"), facts(path="/bin:"), "an empty entry", "colon"),
        unproven("path unseen", SearchPathRule("relative"), facts(path=LOST), "did not complete"),
        kept("closed to others", SearchPathRule("writable_by_others"), directories(0o755, 0o775), "2 directories", counted=(2, 2)),
        broken("open to others", SearchPathRule("writable_by_others"), directories(0o755, 0o777), "/bin777", "chmod", counted=(2, 2)),
        broken("open above an entry", SearchPathRule("writable_by_job"), above(0o755, exists=True), "writable: /opt, above /opt/bin", "job's user", counted=(2, 2)),
        kept("sticky above an entry", SearchPathRule("writable_by_job"), above(0o1777, exists=True), "2 directories", counted=(2, 2)),
        broken("sticky above an entry to make", SearchPathRule("writable_by_job"), above(0o1777, exists=False), "writable: /opt, above /opt/bin", "job's user", counted=(1, 1)),
        unproven("mode unseen", SearchPathRule("writable_by_others"), facts(search_path=[HOME]), "not part of"),
        kept("closed to the job", SearchPathRule("writable_by_job"), directories(0o755), "1 directories", counted=(1, 1)),
        broken("open to the job", SearchPathRule("writable_by_job"), directories(0o755, writable=True), "/bin755", "job's user", counted=(1, 1)),
        unproven("directories unseen", SearchPathRule("writable_by_job"), facts(search_path=LOST), "did not complete"),
    ],
    "privileges": [
        kept("allowed", SetIdFiles(("/bin/su",)), privileges(set_id={"/bin/su": 0o4755}), "1 set-ID files, all allowed"),
        kept("none", SetIdFiles(()), privileges(set_id={}), "no set-ID files"),
        broken("set-ID", SetIdFiles(("/bin/su",)), privileges(set_id={"/bin/su": 0o4755, "/bin/sh": 0o6755}), "/bin/sh (6755)", "chmod u+s"),
        unproven("not searched", SetIdFiles(()), privileges(set_id=LOST), "did not complete"),
        kept("no capabilities", FileCapabilities(()), privileges(file_capabilities=[]), "no capability-carrying"),
        kept("an allowed capability", FileCapabilities(("/bin/ping",)), privileges(file_capabilities=["/bin/ping"]), "all allowed"),
        broken("capabilities", FileCapabilities(()), privileges(file_capabilities=["/bin/ping"]), "/bin/ping", "setcap"),
        unproven("capabilities not searched", FileCapabilities(()), privileges(file_capabilities=LOST), "did not complete"),
        kept("no sudo", Sudo(False), privileges(sudo=SudoFacts(None)), "no sudo"),
        broken("sudo", Sudo(False), privileges(sudo=SudoFacts("/usr/bin/sudo")), "/usr/bin/sudo", "package"),
        kept("sudo works", Sudo(True), privileges(sudo=SudoFacts("/usr/bin/sudo", 0)), "ran a command"),
        broken("sudo missing", Sudo(True), privileges(sudo=SudoFacts(None)), "no sudo", "lacks package sudo"),
        broken("sudo asks", Sudo(True), privileges(sudo=SudoFacts("/usr/bin/sudo", 1, "a password is required")), "a password is required", "NOPASSWD"),
        unproven("sudo is cut short", Sudo(True), privileges(sudo=SudoFacts("/usr/bin/sudo", 124)), "was ended, after 10 s or by a signal"),
        unproven("sudo unseen", Sudo(True), privileges(sudo=LOST), "did not complete"),
    ],
    "secrets": [
        kept("clean variables", SecretFree("environment"), facts(), "none of 1 variables"),
        broken("token in a variable", SecretFree("environment"), facts(env={"DEPLOY": TOKEN}), "secret in DEPLOY (value hidden)", "revoke"),
        broken("token in the image", SecretFree("environment"), facts(image=replace(IMAGE, env={"DEPLOY": TOKEN})), "secret in DEPLOY", "revoke"),
        unproven("variables unseen", SecretFree("environment"), facts(env=LOST), "did not complete"),
        kept("clean labels", SecretFree("labels"), facts(), "none of 1 labels"),
        broken("token in a label", SecretFree("labels"), facts(image=replace(IMAGE, labels={"a": TOKEN})), "secret in label a", "revoke"),
        kept("no image to see, and clean variables", SecretFree("environment"), facts(image=NOT_HERE), "none of 1 variables"),
        unproven("no labels to see", SecretFree("labels"), facts(image=NOT_HERE), "no runner", provable_here=False),
        kept("clean history", SecretFree("history"), facts(image=replace(IMAGE, history=["COPY . /"])), "none of 1 commands"),
        broken("token in history", SecretFree("history"), facts(image=replace(IMAGE, history=["x", f"ARG T={TOKEN}"])), "secret in command 1 of 2", "revoke"),
        unproven("history unseen", SecretFree("history"), facts(image=replace(IMAGE, history=LOST)), "did not complete"),
        unproven("no image", SecretFree("history"), facts(image=NOT_HERE), "no runner", provable_here=False),
        kept("clean files", SecretFreeFiles(("/etc",)), facts(secret_files=[]), "no file"),
        broken("token in a file", SecretFreeFiles(("/etc",)), facts(secret_files=["/etc/x"]), "secret in /etc/x", "revoke"),
        unproven("files not searched", SecretFreeFiles(("/etc",)), facts(), "not part of this observation"),
    ],
    "trust": [
        kept("authorities", Certificates(2), facts(ca_bundle=BundleFacts("/ca", 2)), "2 certificates in /ca"),
        broken("few authorities", Certificates(2), facts(ca_bundle=BundleFacts("/ca", 1)), "1 certificates", "emptied"),
        broken("no bundle", Certificates(1), facts(ca_bundle=BundleFacts("", 0)), "no CA bundle", "ca-certificates"),
        unproven("bundle unseen", Certificates(1), facts(ca_bundle=LOST), "did not complete"),
        kept("tool verifies", TlsTool("curl"), handshake(0, 60), "accepts a server whose authority is in /ca, refuses"),
        broken("other bundle", TlsTool("curl"), handshake(60, 60), "refuses a server whose authority is in /ca: status 60: no", "reads another bundle"),
        broken("no verification", TlsTool("curl"), handshake(0, 0), "accepts a server whose authority is in no bundle", "verification is off"),
        broken("no bundle for a tool", TlsTool("curl"), handshake(0, 60, bundle=""), "no CA bundle", "ca-certificates"),
        unproven("name not found", TlsTool("curl"), handshake(6, 6, output="curl: (6) Could not resolve host: a.example"), "did not find the server"),
        unproven("handshake not tried", TlsTool("curl"), facts(handshakes={"curl": NOT_HERE}), "no runner", provable_here=False),
        unproven("another tool tried", TlsTool("git"), handshake(0, 60), "not part of this observation"),
    ],
    "localization": [
        kept("locale", Locale("C.UTF-8"), facts(env={"LANG": "C.UTF-8"}), "LANG=C.UTF-8"),
        kept("no locale is POSIX", Locale("POSIX"), facts(env={}), "no locale variable"),
        broken("higher rank", Locale("C.UTF-8"), facts(env={"LANG": "C.UTF-8", "LC_ALL": "C"}), "LC_ALL=C", "higher rank"),
        kept("locale of characters", Locale("C.UTF-8"), facts(env={"LC_CTYPE": "C.UTF-8", "LANG": "C"}), "LC_CTYPE=C.UTF-8"),
        kept("codeset in another form", Locale("C.UTF-8"), facts(env={"LANG": "C.utf8"}), "LANG=C.utf8"),
        broken("other codeset", Locale("C.UTF-8"), facts(env={"LANG": "C.latin1"}), "LANG=C.latin1", "ENV line is missing"),
        unproven("variables unseen", Locale("C"), facts(env=LOST), "did not complete"),
        kept("zone", TimeZone("UTC"), facts(time_zone="UTC"), "time zone UTC"),
        broken("other zone", TimeZone("UTC"), facts(time_zone="CET"), "CET", "TZ"),
        unproven("zone unseen", TimeZone("UTC"), facts(time_zone=LOST), "did not complete"),
    ],
}  # fmt: skip
