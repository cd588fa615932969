"""Images that break one promise each: the right clauses go red, and no other, with the cause in the message."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from builder_contracts.contract.model import Contract
from builder_contracts.facts.model import Facts
from builder_contracts.verdict import Outcome
from tests.defects.conftest import Bench

pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Defect:
    """A change to an image, the clauses that it breaks, and what the first one's message must say."""

    name: str
    base: str
    instructions: str
    breaks: tuple[str, ...]
    says: str


DEFECTS = [
    Defect(
        "label-changed",
        "tinyland-nix",
        "LABEL org.opencontainers.image.title=other",
        ("image/label/org.opencontainers.image.title",),
        "LABEL line was copied from another image",
    ),
    Defect(
        "label-emptied",
        "tinyland-docker",
        'LABEL org.opencontainers.image.title=""',
        ("image/label/org.opencontainers.image.title",),
        "LABEL",
    ),
    Defect(
        "entry-point-added",
        "tinyland-nix",
        'ENTRYPOINT ["/usr/bin/env"]',
        ("image/entrypoint", "image/cmd"),
        "ENTRYPOINT",
    ),
    Defect(
        "runs-as-root",
        "tinyland-docker",
        "USER root",
        (
            "identity/not-root",
            "identity/user",
            "identity/uid",
            "identity/home",
            "environment/HOME",
            "filesystem/etc/passwd",
            "filesystem/home/runner",
            "identity/gid",
            "identity/groups",
            "image/user",
            "process/working-directory",
            "search_path/writable-by-job",
        ),
        "no USER line",
    ),
    Defect(
        "another-uid",
        "tinyland-docker",
        "RUN usermod --uid 1002 runner\nUSER runner",
        ("identity/uid", "filesystem/home/runner"),
        "selects a different user",
    ),
    Defect(
        "another-user",
        "tinyland-docker",
        "RUN usermod --login ci runner\nUSER ci",
        ("identity/user", "filesystem/home/runner", "image/user"),
        "selects a different user",
    ),
    Defect(
        "home-of-root",
        "tinyland-docker",
        "RUN chown root:root /home/runner && chmod 0755 /home/runner",
        ("identity/home", "filesystem/home/runner", "process/working-directory"),
        "chown",
    ),
    Defect(
        "home-gone",
        "tinyland-docker",
        "RUN rm -r /home/runner\nWORKDIR /",
        ("identity/home", "filesystem/home/runner", "process/working-directory", "image/workdir"),
        "--create-home",
    ),
    Defect(
        "no-shell",
        "tinyland-docker",
        "RUN rm /bin/sh",
        ("identity/shell", "toolchain/sh", "image/reference", "job/start"),
        "no usable /bin/sh",
    ),
    Defect(
        "shell-without-interpreter",
        "tinyland-docker",
        "RUN printf '#!/nonexistent\\n' >/bin/new && chmod 0755 /bin/new && mv /bin/new /bin/sh",
        ("identity/shell",),
        "no usable /bin/sh",
    ),
    Defect(
        "user-without-entry",
        "tinyland-docker",
        "RUN true\nUSER nosuch",
        ("image/reference", "image/user", "identity/user", "job/start"),
        "no job of this class can run: unable to find user nosuch",
    ),
    Defect(
        "shell-that-does-nothing",
        "tinyland-docker",
        "RUN cp /bin/true /bin/new && mv /bin/new /bin/sh",
        ("image/reference", "job/start"),
        "no job of this class can run: container exited with status 0",
    ),
    Defect(
        "variable-from-bash-env",
        "tinyland-docker",
        "RUN echo export DOCKER_HOST=tcp://10.0.0.1:2375 >/etc/be.sh\nENV BASH_ENV=/etc/be.sh",
        ("environment/DOCKER_HOST", "job/shell/bash-e"),
        "in 'bash -e': DOCKER_HOST='tcp://10.0.0.1:2375' /etc/be.sh (BASH_ENV)",
    ),
    Defect(
        "steps-inherit-something-else",
        "tinyland-docker",
        "RUN echo 'umask 077; ulimit -n 99; cd /; set +e' >/etc/be.sh\nENV BASH_ENV=/etc/be.sh",
        ("process/umask", "process/ulimit/nofile", "process/working-directory", "job/shell/bash-e"),
        "umask 0077 in 'bash -e' /etc/be.sh (BASH_ENV) changes it",
    ),
    Defect(
        "user-without-name",
        "tinyland-docker",
        "RUN sed -i /^runner:/d /etc/passwd\nUSER 1001",
        ("identity/user", "image/user"),
        "uid 1001 has no entry in /etc/passwd",
    ),
    Defect("xz-missing", "tinyland-nix", "RUN rm /usr/bin/xz", ("toolchain/xz",), "lacks package xz-utils"),
    Defect(
        "xz-not-executable", "tinyland-nix", "RUN chmod 0644 /usr/bin/xz", ("toolchain/xz",), "not found on"
    ),
    Defect(
        "git-too-old",
        "tinyland-nix",
        "RUN printf '#!/bin/sh\\necho git version 1.8.3\\n' >/usr/local/bin/git && chmod 0755 /usr/local/bin/git",
        ("toolchain/git", "trust/tool/git"),
        "is version 1.8.3",
    ),
    Defect(
        "gcc-lost-its-library",
        "tinyland-docker",
        "RUN printf '#!/bin/sh\\necho error while loading shared libraries >&2; exit 127\\n' "
        ">/usr/local/bin/gcc && chmod 0755 /usr/local/bin/gcc",
        ("toolchain/gcc",),
        "exited with status 127: error while loading shared libraries",
    ),
    Defect(
        "gzip-lost-its-library",
        "tinyland-docker",
        "RUN printf '#!/bin/sh\\necho gzip: error while loading shared libraries: libz.so.1 >&2; exit 127\\n' "
        ">/usr/local/bin/gzip && chmod 0755 /usr/local/bin/gzip",
        ("toolchain/gzip",),
        "it lacks a library",
    ),
    Defect(
        "xz-prints-its-version-only",
        "tinyland-nix",
        "RUN printf '#!/bin/sh\\ncase $1 in --version) exec /usr/bin/xz --version;; esac\\n"
        "echo liblzma: internal error >&2; exit 1\\n' >/usr/local/bin/xz && chmod 0755 /usr/local/bin/xz",
        ("toolchain/xz",),
        "does not do its work: 'xz -c' exited with status 1: liblzma: internal error",
    ),
    Defect(
        "tools-that-end-well-without-work",
        "tinyland-docker",
        "RUN printf '#!/bin/sh\\n/usr/bin/${0##*/} --version\\n' >/usr/local/bin/flex && chmod 0755 /usr/local/bin/flex"
        " && for tool in bison rsync ccache kmod pahole; do cp /usr/local/bin/flex /usr/local/bin/$tool; done"
        ' && printf \'#!/bin/sh\\n[ "$1" = --version ] && exec /usr/bin/xz --version\\nexec gzip "$@"\\n\''
        " >/usr/local/bin/xz && chmod 0755 /usr/local/bin/xz\nENV MAKEFLAGS=-i\n"
        'RUN printf \'#!/bin/sh\\n[ "$1" = --version ] && exec /usr/bin/jq --version\\necho "[2]"\\n\''
        " >/usr/local/bin/jq && chmod 0755 /usr/local/bin/jq",
        tuple(f"toolchain/{name}" for name in "flex bison rsync ccache kmod pahole xz make jq".split()),
        "printed '', not '{nonce}'",
    ),
    Defect(
        "no-c-headers",
        "tinyland-docker",
        "RUN rm /usr/include/stdio.h",
        ("toolchain/gcc", "toolchain/g++"),
        "header files are missing",
    ),
    Defect(
        "jq-hangs",
        "tinyland-docker",
        "RUN printf '#!/bin/bash\\ntrap \"\" TERM\\nwhile :; do sleep 1; done\\n' >/usr/local/bin/jq "
        "&& chmod 0755 /usr/local/bin/jq",
        ("toolchain/jq",),
        "it hangs",
    ),
    Defect(
        "old-git-in-color",
        "tinyland-docker",
        "RUN printf '#!/bin/bash\\nprintf \"\\\\033[38.5mgit version 1.8.3\\\\033[0m\\\\n\"\\n' >/usr/local/bin/git "
        "&& chmod 0755 /usr/local/bin/git",
        ("toolchain/git", "trust/tool/git"),
        "is version 1.8.3",
    ),
    Defect(
        "flakes-off",
        "tinyland-nix",
        "RUN printf '#!/bin/sh\\ncase $* in *parseFlakeRef*) echo flakes are disabled; exit 1;; esac\\n"
        'exec /usr/bin/nix "$@"\\n\' >/usr/local/bin/nix && chmod 0755 /usr/local/bin/nix',
        ("toolchain/nix",),
        "flakes: status 1: flakes are disabled",
    ),
    Defect(
        "daemon-nobody-asked-for",
        "tinyland-docker",
        "RUN printf '#!/bin/sh\\n' >/usr/local/bin/dockerd && chmod 0755 /usr/local/bin/dockerd",
        ("toolchain/dockerd",),
        "remove it from the image",
    ),
    Defect(
        "nix-config-without-flakes",
        "tinyland-nix",
        "ENV NIX_CONFIG='experimental-features = nix-command'",
        (
            "environment/NIX_CONFIG",
            "nix/setting/accept-flake-config",
            "nix/setting/experimental-features",
            "toolchain/nix",
        ),
        "nix-command",
    ),
    Defect(
        "stale-cache-host",
        "tinyland-docker",
        "ENV MIRROR=https://nix-cache.fuzzy-dev.tinyland.dev",
        ("environment/forbidden/stale-cache-host",),
        "MIRROR matches (value hidden)",
    ),
    Defect(
        "cache-name-that-does-not-resolve",
        "tinyland-nix",
        "ENV ATTIC_SERVER=http://attic-api.nix-cache.svc.cluster.local:8080",
        ("environment/ATTIC_SERVER", "environment/forbidden/dead-service-name"),
        "attic-api",
    ),
    Defect(
        "docker-host-set",
        "tinyland-nix",
        "ENV DOCKER_HOST=tcp://10.0.0.1:2375",
        ("environment/DOCKER_HOST",),
        "remove it there",
    ),
    Defect(
        "nix-folder-in-the-wrong-class",
        "tinyland-docker",
        "RUN mkdir /nix",
        ("filesystem/nix",),
        "a directory",
    ),
    Defect(
        "nix-folder-open-to-all", "tinyland-nix", "RUN chmod 0777 /nix", ("filesystem/nix",), "chmod 0755"
    ),
    Defect("tmp-not-sticky", "tinyland-nix", "RUN chmod 0777 /tmp", ("filesystem/tmp",), "chmod 1777"),
    Defect(
        "store-of-root",
        "tinyland-nix",
        "RUN chown root:root /nix/store && chmod 0755 /nix/store",
        # Nix does not open a store that the job cannot write to.
        ("filesystem/nix/store", "toolchain/nix"),
        "not writable",
    ),
    Defect(
        "kernel-header-missing",
        "tinyland-docker",
        "RUN rm /usr/include/libelf.h",
        ("filesystem/usr/include/libelf.h",),
        "does not exist",
    ),
]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_broken_image_breaks_exactly_its_clauses(bench: Bench, defect: Defect) -> None:
    contract = bench.contract(defect.base)

    seen = bench.observe(contract, image=bench.build(defect.base, defect.instructions))

    assert seen.broken == set(defect.breaks)
    verdict = seen.verdicts[defect.breaks[0]]
    assert defect.says in f"{verdict.observation} {verdict.cause}"


def test_image_without_shell_leaves_rest_unproven(bench: Bench) -> None:
    contract = bench.contract("tinyland-docker")

    seen = bench.observe(contract, image=bench.build("tinyland-docker", "RUN rm /bin/sh"))

    assert "toolchain/gcc" in seen.unproven
    assert "no job of this class can run" in seen.verdicts["toolchain/gcc"].observation
    assert seen.verdicts["image/platform"].outcome.value == "kept"
    assert "no job of this class can run" in seen.verdicts["image/reference"].observation


def test_witness_container_sees_what_the_host_sees(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = bench.contract("tinyland-nix")
    from_host = bench.observe(contract)
    monkeypatch.setattr("builder_contracts.runner.docker.kernel_view._is_visible", lambda *_: False)

    from_container = bench.observe(contract)

    assert from_container.broken == set()
    assert not any(verdict.one_witness for verdict in from_container.verdicts.values())
    assert isinstance(from_host.facts.outside, Facts)
    assert isinstance(from_container.facts.outside, Facts)
    for name in ("identity", "path", "isolation", "resources"):
        assert getattr(from_container.facts.outside, name) == getattr(from_host.facts.outside, name)


def test_missing_tag_breaks_only_the_reference(bench: Bench) -> None:
    seen = bench.observe(bench.contract("tinyland-nix"), image="tinyland-nix:1.31")

    assert seen.broken == {"image/reference"}
    assert "image tinyland-nix:1.31 is not in the engine" in seen.verdicts["image/reference"].observation
    assert "image/platform" in seen.unproven


def test_an_image_of_a_registry_that_was_not_asked_is_unproven(bench: Bench) -> None:
    seen = bench.observe(bench.contract("tinyland-nix"), image="registry.invalid/tinyland-nix:1")

    assert seen.broken == set()
    assert "--pull" in seen.verdicts["image/reference"].observation
    assert "image/reference" in seen.unproven


def test_an_image_over_its_size_budget_is_broken(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract("image: {reference: tinyland-nix, max_size: 300Mi}\ntoolchain: {sh: present}\n")
    fat = bench.build("tinyland-nix", "RUN head -c 200000000 /dev/zero >/fat")

    assert bench.observe(contract).broken == set()
    seen = bench.observe(contract, image=fat)

    assert seen.broken == {"image/size"}
    assert "over budget" in seen.verdicts["image/size"].observation


def foreign_image(tag: str) -> bytes:
    """An archive, as 'docker load' takes it, of an image for linux/arm64 with a /bin/sh that cannot run here."""
    # The header of an ELF program for aarch64 is all that the kernel looks at before it refuses.
    program = (bytes.fromhex("7f454c46020101").ljust(16, b"\0") + bytes([2, 0, 183, 0])).ljust(4096, b"\0")
    layer = archive({"bin/sh": program})
    config = {
        "os": "linux",
        "architecture": "arm64",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    return archive(
        {
            "config.json": json.dumps(config).encode(),
            "manifest.json": json.dumps(manifest).encode(),
            "layer.tar": layer,
        }
    )


def archive(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def test_an_image_for_another_platform_breaks_the_platform_alone(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract(
        "image: {reference: sample, platform: linux/amd64}\nidentity: {shell: /bin/sh}\ntoolchain: {sh: present}\n"
    )
    tag = "builder-contracts-defect:arm64"
    api: Any = bench.client.api
    api.load_image(foreign_image(tag))
    try:
        foreign = api.inspect_image(tag)["Architecture"]
        seen = bench.observe(contract, image=tag)
    finally:
        bench.client.images.remove(tag, force=True)

    assert foreign == "arm64"
    assert seen.broken == {"image/platform"}
    assert "linux/arm64" in seen.verdicts["image/platform"].observation
    for local_id in ("image/reference", "identity/shell"):
        verdict = seen.verdicts[local_id]
        assert (verdict.outcome, verdict.provable_here) == (Outcome.UNPROVEN, False)
        assert "this host runs programs for linux/amd64, and none for linux/arm64" in verdict.observation


# A shell that recognises the probe and prints what a sound runner would; it works as any other otherwise.
FORGED_SHELL = r"""#!/bin/dash
case $3 in
  builder-contracts-probe)
    nonce=$4
    say() { printf '%s %s\n' "$nonce" "$1"; }
    say '["identity","",{"uid":1001,"gid":1001,"user":"runner","home":"/home/runner","home_exists":true,"home_writable":true}]'
    printf '%s raw path\n/usr/bin:/bin\n%s end of raw\n' "$nonce" "$nonce"
    printf "%s raw env\nexport HOME='/home/runner'\nexport PATH='/usr/bin:/bin'\n%s end of raw\n" "$nonce" "$nonce"
    say '["isolation","bounding","0000000000000000"]'
    say '["isolation","sockets",[]]'
    say '["tools","git",{"path":"/usr/bin/git","status":0,"output":"git version 2.51.0"}]'
    say '["tools","gzip",{"path":"/usr/bin/gzip"}]'
    say '["tools","docker",{"path":null}]'
    say '["paths","/home/runner",{"type":"directory","symlink":false,"writable":true,"mode":"755","owner":"runner","free":[9,4096]}]'
    say '["paths","/nix",{"type":null}]'
    say '["paths","/bin",{"type":"directory","symlink":false,"writable":false,"mode":"755","owner":"root","free":[9,4096]}]'
    say '["shells","/bin/sh",{"runs":true}]'
    say '["end","","complete"]'
    ;;
  *) exec /bin/dash "$@" ;;
esac
"""

FORGED_IMAGE = """FROM tinyland-nix AS source
USER root
RUN mkdir -p /only/bin /only/usr/bin /only/nix && cp /bin/dash /only/bin/dash \\
 && for library in $(ldd /bin/dash | grep -o '/[^ ]*'); do \\
      mkdir -p "/only${library%/*}" && cp -L "$library" "/only$library"; done \\
 && touch /only/usr/bin/docker && chmod 0755 /only/usr/bin/docker
RUN printf %s SCRIPT | base64 -d >/only/bin/sh && chmod 0755 /only/bin/sh
FROM scratch
COPY --from=source /only /
"""


def test_forged_shell_keeps_nothing_the_kernel_disproves(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract(
        "image: {reference: sample}\n"
        "identity: {uid: 1001, user: runner, home: /home/runner, shell: /bin/sh, root: never}\n"
        "toolchain: {git: {version: '>=2'}, gzip: present, docker: absent}\n"
        "environment: {variables: {HOME: {equals: /home/runner}, PATH: present, LD_PRELOAD: absent}}\n"
        "filesystem: {/home/runner: {type: directory, writable: true}, /nix: absent, /bin: {type: directory}}\n"
        "isolation: {capabilities: {forbid: [ALL]}, docker_socket: absent}\n"
    )
    script = base64.b64encode(FORGED_SHELL.encode()).decode()
    tag = "builder-contracts-defect:forged-shell"
    text = FORGED_IMAGE.replace("SCRIPT", script)
    bench.client.images.build(fileobj=io.BytesIO(text.encode()), tag=tag, rm=True)
    try:
        seen = bench.observe(contract, image=tag)
    finally:
        bench.client.images.remove(tag, force=True)

    assert seen.broken == {
        "identity/uid",
        "identity/home",
        "identity/not-root",
        "toolchain/git",
        "toolchain/gzip",
        "toolchain/docker",
        "environment/HOME",
        "filesystem/home/runner",
        "filesystem/nix",
    }
    assert seen.verdicts["identity/uid"].witnesses == ("probe: uid 1001", "kernel: uid 0")
    # The kernel does not say who root is here, and knows of another PATH and of a root that may write.
    assert seen.unproven == {"identity/user", "environment/PATH", "filesystem/bin"}
    assert "the witnesses disagree" in seen.verdicts["identity/user"].observation
    # The rest is true, or the contract promises nothing that another than the shell could know.
    assert seen.ids(Outcome.KEPT) == {
        "labels/sample",
        "image/reference",
        "identity/shell",
        "environment/LD_PRELOAD",
        "isolation/capabilities",
        "isolation/docker-socket",
    }


SHELL_ALONE = """FROM tinyland-nix AS source
USER root
RUN mkdir -p /only/bin && cp /bin/dash /only/bin/sh \\
 && for library in $(ldd /bin/dash | grep -o '/[^ ]*'); do \\
      mkdir -p "/only${library%/*}" && cp -L "$library" "/only$library"; done
FROM scratch
COPY --from=source /only /
USER 1001
"""


def test_image_with_only_a_shell_names_missing_programs(
    bench: Bench, write_contract: Callable[..., Contract]
) -> None:
    contract = write_contract(
        "image: {reference: sample}\n"
        "identity: {uid: 1001, user: runner, shell: /bin/sh, root: never}\n"
        "toolchain: {sh: present, xz: {version: '>=5'}, docker: absent}\n"
        "environment: {variables: {PATH: present, DOCKER_HOST: absent}}\n"
        "filesystem: {/bin/sh: {type: file, mode: '0755'}, /nix: absent, /bin: {type: directory, free: 1Mi}}\n"
        "isolation: {capabilities: {forbid: [ALL]}, no_new_privileges: true, mount: denied, docker_socket: absent}\n"
        "network: {egress: none, resolve: [attic.nix-cache.svc.cluster.local]}\n"
        "resources: {memory: {limit: 1Gi}}\n"
    )
    tag = "builder-contracts-defect:shell-alone"
    bench.client.images.build(fileobj=io.BytesIO(SHELL_ALONE.encode()), tag=tag, rm=True)
    try:
        seen = bench.observe(contract, image=tag)
    finally:
        bench.client.images.remove(tag, force=True)

    assert seen.broken == {"toolchain/xz"}
    assert {local_id for local_id, verdict in seen.verdicts.items() if verdict.one_witness} == {
        "filesystem/bin/sh",
        "filesystem/bin",
    }
    # What needs a program that is not there is unproven, with the program's name.
    assert {local_id: seen.verdicts[local_id].observation for local_id in seen.unproven} == {
        "identity/user": "no entry for uid 1001 in /etc/passwd",
        "toolchain/sh": "the image lacks mkdir(1) or rm(1)",
        "isolation/mount": "the image lacks unshare(1) or true(1)",
        "network/resolve/attic.nix-cache.svc.cluster.local": "the image lacks getent(1)",
    }
