"""Images that break what a job inherits, may gain or must not carry: exactly these clauses go red."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from builder_contracts.contract.model import Contract
from tests.defects.conftest import Bench

pytestmark = pytest.mark.docker

TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LISTEN_ON_ALL = (
    "mv /usr/sbin/dockerd /usr/sbin/dockerd.real && printf '#!/bin/sh\\n"
    "exec /usr/sbin/dockerd.real --host=tcp://0.0.0.0:2375 --tls=false\\n' >/usr/sbin/dockerd "
    "&& chmod 0755 /usr/sbin/dockerd"
)
SET_CAPABILITY = (
    'perl -e \'$p = "/usr/bin/less"; $n = "security.capability"; '
    '$v = pack("V5", 0x02000001, 1 << 13, 0, 0, 0); exit(syscall(188, $p, $n, $v, 20, 0) != 0)\''
)


@dataclass(frozen=True)
class Defect:
    """A change to an image and the clauses that it breaks, with what the first one must say."""

    name: str
    base: str
    instructions: str
    breaks: tuple[str, ...]
    says: str


DEFECTS = [
    Defect("group-of-root", "tinyland-docker", "USER 1001:0", ("identity/gid", "identity/groups", "image/user"), "gid 0"),
    Defect("in-dockers-group", "tinyland-docker", "RUN groupadd -f -r docker && gpasswd -a runner docker", ("identity/groups",), "docker"),
    Defect("home-read-only", "tinyland-docker", "RUN chmod 0555 /home/runner", ("identity/home", "filesystem/home/runner", "process/working-directory"), "not writable"),
    Defect("group-of-home", "tinyland-nix", "RUN chgrp games /home/runner", ("filesystem/home/runner",), "gid 60"),
    Defect("dot-on-path", "tinyland-docker", f"ENV PATH=.:{PATH}", ("search_path/relative",), "PATH has ."),
    Defect("empty-entry-on-path", "tinyland-nix", f"ENV PATH={PATH}:", ("search_path/relative",), "an empty entry"),
    Defect("path-open-to-all", "tinyland-nix", "RUN chmod 0777 /usr/local/bin", ("search_path/writable-by-others", "search_path/writable-by-job"), "/usr/local/bin"),
    Defect("path-of-the-job", "tinyland-nix", "RUN chown runner /usr/local/sbin", ("search_path/writable-by-job",), "/usr/local/sbin"),
    Defect("set-id-python", "tinyland-docker", "RUN chmod u+s /usr/bin/find", ("privileges/set-id",), "/usr/bin/find (4755)"),
    Defect("capability-on-a-file", "tinyland-nix", f"RUN {SET_CAPABILITY}", ("privileges/file-capabilities",), "/usr/bin/less"),
    Defect("sudo-installed", "tinyland-nix", "RUN printf '#!/bin/sh\\n' >/usr/local/bin/sudo && chmod 0755 /usr/local/bin/sudo", ("privileges/sudo",), "/usr/local/bin/sudo"),
    Defect("token-in-env", "tinyland-docker", f"ENV DEPLOY={TOKEN}", ("secrets/environment", "secrets/history"), "secret in DEPLOY (value hidden)"),
    Defect("token-in-label", "tinyland-nix", f"LABEL note={TOKEN}", ("secrets/labels", "secrets/history"), "secret in label note"),
    Defect("token-in-history", "tinyland-nix", f"RUN true {TOKEN}", ("secrets/history",), "secret in command"),
    Defect("token-in-file", "tinyland-nix", f"RUN mkdir /opt/x && printf 'token=ghp_%s\\n' {TOKEN[4:]} >/opt/x/conf", ("secrets/files",), "/opt/x/conf"),
    Defect("no-authorities", "tinyland-docker", "RUN : >/etc/ssl/certs/ca-certificates.crt", ("trust/certificates",), "0 certificates"),
    Defect("other-locale", "tinyland-nix", "ENV LC_ALL=C", ("localization/locale",), "LC_ALL=C"),
    Defect("other-time-zone", "tinyland-nix", "ENV TZ=CET-1", ("localization/time-zone",), "CET"),
    Defect("proxy-nobody-promised", "tinyland-docker", "ENV http_proxy=http://proxy.corp:3128", ("environment/proxy",), "http_proxy is set"),
    Defect("other-command", "tinyland-nix", 'CMD ["/bin/sh"]', ("image/cmd",), "CMD /bin/sh"),
    Defect("volume-added", "tinyland-nix", "VOLUME /cache", ("image/volumes",), "VOLUME /cache"),
    Defect("other-stop-signal", "tinyland-nix", "STOPSIGNAL SIGKILL", ("image/stop-signal",), "SIGKILL"),
    Defect("other-directory", "tinyland-nix", "WORKDIR /tmp", ("image/workdir", "process/working-directory"), "WORKDIR /tmp"),
    Defect("health-check-added", "tinyland-docker", "HEALTHCHECK CMD false", ("image/healthcheck",), "CMD-SHELL false"),
    Defect("dangling-socket", "tinyland-docker", "RUN ln -sf /run/host/docker.sock /var/run/docker.sock", ("isolation/docker-socket",), "dangling link"),
    Defect("settings-in-a-comment", "tinyland-nix", 'ENV NIX_CONFIG="# experimental-features = nix-command flakes"', ("environment/NIX_CONFIG", "nix/setting/accept-flake-config", "nix/setting/experimental-features", "toolchain/nix"), "NIX_CONFIG="),
    Defect("names-from-files-only", "tinyland-nix", "RUN echo 'hosts: files' >/etc/nsswitch.conf", ("network/resolve/attic.nix-cache.svc.cluster.local", "network/resolve/bazel-cache.nix-cache.svc.cluster.local", "network/reach/http://attic.nix-cache.svc.cluster.local/", "network/reach/bazel-cache.nix-cache.svc.cluster.local:9092"), "does not know"),
    Defect("passwd-writable", "tinyland-docker", "RUN chmod 0666 /etc/passwd", ("filesystem/etc/passwd",), "writable"),
    Defect("daemon-on-all-interfaces", "tinyland-dind", f"RUN {LISTEN_ON_ALL}", ("daemon/listens", "ports/2375/tcp"), "port 2375 listens on"),
]  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_defect_breaks_exactly_its_clauses(bench: Bench, defect: Defect) -> None:
    seen = bench.observe(bench.contract(defect.base), image=bench.build(defect.base, defect.instructions))
    assert seen.broken == set(defect.breaks)
    assert defect.says in seen.verdicts[defect.breaks[0]].observation
    assert not any(TOKEN in verdict.observation for verdict in seen.verdicts.values())


@pytest.mark.parametrize(("command", "outcome"), [("true", "kept"), ("exit 3", "broken")])
def test_health_check_is_run(
    bench: Bench, write_contract: Callable[..., Contract], command: str, outcome: str
) -> None:
    contract = write_contract("image: {reference: tinyland-nix, healthcheck: succeeds}\n")
    seen = bench.observe(contract, image=bench.build("tinyland-nix", f"HEALTHCHECK CMD {command}"))
    assert seen.verdicts["image/healthcheck"].outcome.value == outcome


DIGEST = hashlib.sha256(b"right\n").hexdigest()
FILE = f"""filesystem:
  /opt/file: {{uid: 0, gid: 0, group: root, executable: false, contains: right, sha256: {DIGEST}}}
  /opt/link: {{type: symlink, target: /opt/file}}
  /opt/text: {{matches: 'a+b'}}
  /opt/nothing: absent
process:
  umask: "0022"
  sysctls: {{kernel.pid_max: {{at_least: 99999999999}}}}
  ulimits: {{nofile: {{at_least: 99999999999, at_most: 999999999999}}}}
  shm: 1Ti
"""
SOUND = "RUN echo right >/opt/file && ln -s /opt/file /opt/link && echo aab >/opt/text"
LIMITS = {"process/sysctl/kernel.pid_max", "process/ulimit/nofile", "process/shm"}


@pytest.mark.parametrize(
    ("change", "breaks"),
    [
        ("true", set()),
        ("echo wrong >/opt/file", {"filesystem/opt/file"}),
        ("chgrp games /opt/file", {"filesystem/opt/file"}),
        ("chmod 0755 /opt/file", {"filesystem/opt/file"}),
        ("ln -sfn /opt/text /opt/link", {"filesystem/opt/link"}),
        ("echo b >/opt/text", {"filesystem/opt/text"}),
        ("ln -sf /gone /opt/text", {"filesystem/opt/text"}),
        ("ln -s /gone /opt/nothing", {"filesystem/opt/nothing"}),
    ],
)
def test_details_of_files_are_compared(
    bench: Bench, write_contract: Callable[..., Contract], change: str, breaks: set[str]
) -> None:
    seen = bench.observe(write_contract(FILE), image=bench.build("tinyland-nix", f"{SOUND}\nRUN {change}"))
    assert seen.broken == breaks | LIMITS
