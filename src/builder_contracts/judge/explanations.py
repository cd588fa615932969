"""What each kind of promise means to a person: how it is judged, why it matters, how to mend it.

One function over all promises: a new one without an explanation does not type-check. The command
``explain`` and docs/clauses.md both read it.
"""

from __future__ import annotations

from typing import assert_never

from builder_contracts.contract.promises import (
    DaemonPromise,
    Declaration,
    EnvironmentPromise,
    IdentityPromise,
    ImagePromise,
    IsolationPromise,
    NetworkPromise,
    PathState,
    Promise,
    ProofPromise,
    ResourcePromise,
    Tool,
)
from builder_contracts.contract.promises.daemon import DaemonEndpoint, DaemonOwn, DaemonReady, DaemonVersion
from builder_contracts.contract.promises.declarations import Label, Responsibility
from builder_contracts.contract.promises.environment import EnvironmentVariable, ForbiddenValue
from builder_contracts.contract.promises.identity import Home, NotRoot, Shell, Uid, User
from builder_contracts.contract.promises.image import (
    ImageEntrypoint,
    ImageLabel,
    ImagePlatform,
    ImageReference,
    ImageSize,
)
from builder_contracts.contract.promises.isolation import (
    Capabilities,
    Device,
    DockerDaemon,
    DockerSocket,
    Mount,
    NoNewPrivileges,
    Privileged,
    Seccomp,
    Unshare,
)
from builder_contracts.contract.promises.network import Denied, Egress, Reaches, Resolves
from builder_contracts.contract.promises.resources import (
    CpuLimit,
    CpuRequest,
    MemoryLimit,
    MemoryRequest,
    PidsLimit,
)
from builder_contracts.contract.quantities import human_bytes, human_cpus
from builder_contracts.contract.value_patterns import SECONDS
from builder_contracts.judge import proof_explanations
from builder_contracts.judge.explanation import Explanation


def explanation(promise: Promise) -> Explanation:
    """The explanation of a promise. A kind without one does not type-check."""
    if isinstance(promise, Declaration):
        return _declaration(promise)
    if isinstance(promise, ImagePromise):
        return _image(promise)
    if isinstance(promise, IdentityPromise):
        return _identity(promise)
    if isinstance(promise, Tool):
        return _tool(promise)
    if isinstance(promise, EnvironmentPromise):
        return _environment(promise)
    if isinstance(promise, PathState):
        return _path(promise)
    if isinstance(promise, IsolationPromise):
        return _isolation(promise)
    if isinstance(promise, DaemonPromise):
        return _daemon(promise)
    if isinstance(promise, NetworkPromise):
        return _network(promise)
    if isinstance(promise, ResourcePromise):
        return _resources(promise)
    if isinstance(promise, ProofPromise):
        return proof_explanations.explain(promise)
    assert_never(promise)


_LOST = "The runner did not start, died, or did not answer within the deadline"
_NO_IMAGE = "On a real runner, which has no image to look at (a skip); or the engine did not answer."


def _declaration(promise: Declaration) -> Explanation:
    match promise:
        case Label():
            return Explanation(
                how="Declared, rung C0: the contract says so, and nothing is looked at. That no other "
                "contract claims the label is checked when contracts are loaded together.",
                unproven="Never: a contract that loads declares it.",
                why="A job finds its runner by the label alone; a label of two classes gives it either of "
                "them.",
                breaks="A second contract with the same label. It is refused as bad input before anything "
                "is judged.",
                mend="Give the label to one class, and register the pool's runners under it.",
            )
        case Responsibility():
            return Explanation(
                how="Declared, rung C0: the words are not observed. The evidence stands in the verdicts on "
                f"{', '.join(promise.shown_by)}.",
                unproven="Never: a contract that loads declares it.",
                why="It says in one sentence what the class is for, so that a list of clauses can be read "
                "by somebody who picks a runner.",
                breaks="A clause under shown_by that the contract does not have, or that is itself only "
                "declared. It is refused as bad input before anything is judged.",
                mend="Name the observed clauses that carry the promise, or write them.",
            )
        case _:
            assert_never(promise)


def _image(promise: ImagePromise) -> Explanation:
    match promise:
        case ImageReference():
            return Explanation(
                how="The engine is asked for the image under this reference, or under the one that --image "
                "gives, and to start a container from it. Kept when it has the image and the container "
                "started; the digest is the evidence.",
                unproven="The engine does not answer; or the reference names a registry, the image is not "
                "in the engine and --pull was not given, so that nobody asked the registry; or the image is "
                "there and no container starts, which the clauses on platform and shell may tell the cause of.",
                why="A reference that nothing stands behind leaves every job of the class waiting for a "
                "pod that never starts.",
                breaks="A tag that was never pushed, or was removed.",
                mend=f"Correct the reference {promise.reference}, build the image, or push the tag.",
            )
        case ImagePlatform():
            return Explanation(
                how="Operating system, architecture and variant as the engine reports them for the image.",
                unproven=_NO_IMAGE,
                why="An image for another machine starts only under emulation, or fails with 'exec format "
                "error'.",
                breaks="A build on a machine of another architecture without --platform.",
                mend=f"Build or pull the image with --platform {promise.platform}.",
            )
        case ImageLabel() if not promise.present:
            return Explanation(
                how="The label is looked for in the image's own configuration. Kept when it is not there.",
                unproven=_NO_IMAGE,
                why="Scanners and deployments act on a label that is merely there.",
                breaks="A LABEL line of the Dockerfile, or of a new release of its base image.",
                mend=f"Remove the LABEL line of {promise.key}, or take a base image without it.",
            )
        case ImageLabel():
            return Explanation(
                how="The label in the image's own configuration, compared with the promised value where "
                "one is promised.",
                unproven=_NO_IMAGE,
                why="Labels are how a scanner, a registry or a person tells what an image is and where it "
                "is from.",
                breaks="A Dockerfile without the LABEL line, or an image rebuilt under another title.",
                mend=f"Set it where the image is built: LABEL {promise.key}={promise.value or '…'}.",
            )
        case ImageEntrypoint():
            return Explanation(
                how="The image's ENTRYPOINT, word for word.",
                unproven=_NO_IMAGE,
                why="The pool starts the image with its own command; an entry point that it does not "
                "expect swallows or changes it.",
                breaks="An ENTRYPOINT line in the Dockerfile, or in a new release of its base image.",
                mend="Reset it in the Dockerfile (ENTRYPOINT []), or declare the one that jobs shall get.",
            )
        case ImageSize():
            return Explanation(
                how="The unpacked size that the engine reports for the image, against the budget.",
                unproven=_NO_IMAGE,
                why="Runners start from nothing: every job that meets a fresh node waits for the whole "
                "image.",
                breaks="A layer that grew: a package cache, a debug build, a copied work tree.",
                mend="'docker history' names the largest layers; shrink one, or raise the budget on purpose.",
            )
        case _:
            assert_never(promise)


def _identity(promise: IdentityPromise) -> Explanation:
    match promise:
        case User():
            return Explanation(
                how="The effective uid of a process of the job, looked up in /etc/passwd or by id(1).",
                unproven=f"{_LOST}; or no entry for the uid is found.",
                why="Ownership of caches, of the work directory and of what a job leaves behind hangs on "
                "the user.",
                breaks="A USER line in the image, or runAsUser in the pool, that selects somebody else.",
                mend=f"USER {promise.name} in the Dockerfile, and an entry for it in /etc/passwd.",
            )
        case Uid():
            return Explanation(
                how="The effective uid in /proc/self/status of a process of the job.",
                unproven=f"{_LOST}; or /proc is not readable.",
                why="Volumes keep numbers, not names: another uid cannot read the caches of the last job.",
                breaks="A useradd without --uid, or runAsUser in the pool.",
                mend=f"useradd --uid {promise.uid} when the image is built, and no other runAsUser in the "
                "pool.",
            )
        case NotRoot():
            return Explanation(
                how="The effective uid in /proc/self/status of a process of the job is not 0.",
                unproven=f"{_LOST}; or /proc is not readable.",
                why="Some builds refuse to run as root (rules_python, several installers), and root in a "
                "job is one kernel bug away from root on the node.",
                breaks="An image without a USER line.",
                mend="Add a user to the image and end its Dockerfile with a USER line.",
            )
        case Home():
            return Explanation(
                how="HOME as a job sees it, that the directory exists, and that the job's user may write "
                "there.",
                unproven=f"{_LOST}; or /proc is not readable.",
                why="git, pip, Nix, Bazel and most other tools keep state below HOME and fail in ways that "
                "name something else when they cannot.",
                breaks="useradd without --create-home, or a volume mounted over it that belongs to root.",
                mend=f"Create {promise.path} for the job's user and set HOME to it.",
            )
        case Shell():
            return Explanation(
                how="The shell is started and has to calculate 40 + 2: a file of that name proves nothing. "
                "The container itself starts through /bin/sh, so that an image without one shows here as "
                "well.",
                unproven=_LOST + ".",
                why="Every step of a job is a shell script.",
                breaks="An image that was made without a shell, or a shell without its libraries.",
                mend=f"Use a base image in which {promise.path} runs.",
            )
        case _:
            assert_never(promise)


def _tool(promise: Tool) -> Explanation:
    if not promise.present:
        return Explanation(
            how="The directories of the job's own PATH (not a login shell's) are searched for an "
            "executable of this name. Kept when there is none; the PATH is the evidence.",
            unproven=_LOST + ".",
            why="A tool that is not promised invites jobs to rely on it, or gives them more than the class "
            "should.",
            breaks="A package that brings it along as a dependency.",
            mend=f"Remove {promise.name} from the image.",
        )
    asked = release = ""
    if promise.version:
        release = f" in a release {promise.version.text}"
        command = " ".join((promise.name, *promise.version_command))
        asked += f" '{command}' runs, and the first release number it prints lies in {promise.version.text}."
    for name, arguments in promise.features:
        command = " ".join((promise.name, *arguments))
        asked += f" The feature {name} is exercised: '{command}' ends with status 0."
    return Explanation(
        how="The directories of the job's own PATH (not a login shell's) are searched for an executable of "
        f"this name.{asked}",
        unproven=f"{_LOST}; or the tool does not answer within 20 s.",
        why="A job that misses it, or meets another release, fails in the middle of its own work.",
        breaks="A base image or package list that dropped it; an ENV PATH that lost its directory; a "
        "release that moved out of the range.",
        mend=f"Install the package {promise.package or promise.name}{release} in a directory of PATH.",
    )


def _environment(promise: EnvironmentPromise) -> Explanation:
    match promise:
        case EnvironmentVariable() if not promise.present:
            return Explanation(
                how="The variables that a job's first process exports are listed once. Kept when this one "
                "is not among them; set to nothing still counts as set.",
                unproven=_LOST + ".",
                why="Tools act on a variable that is merely there: DOCKER_HOST, LD_PRELOAD, a token.",
                breaks="An ENV line of the image or of its base, or the pool's template.",
                mend=f"Remove {promise.name} where it is set: the Dockerfile, or the pool's template.",
            )
        case EnvironmentVariable():
            return Explanation(
                how="The variables that a job's first process exports are listed once; this one's value is "
                "compared. Values of variables that look like secrets are compared and never shown.",
                unproven=f"{_LOST}; or a pattern takes more than {SECONDS:g} s on a value.",
                why="Jobs and their tools take the address of caches, features and limits from it.",
                breaks="An ENV line that was lost, or a template that injects another value.",
                mend=f"Set {promise.name} in the image (ENV) or in the pool's template.",
            )
        case ForbiddenValue():
            return Explanation(
                how="The pattern is searched in the value of every variable that a job's first process "
                "exports, whatever its name. Kept when none matches.",
                unproven=f"{_LOST}; or a pattern takes more than {SECONDS:g} s on a value.",
                why="An address that was retired keeps working nowhere, and each job finds out by a "
                "time-out.",
                breaks="An ENV line or a template that still carries the old value.",
                mend="The verdict names the variables: correct them where they are set.",
            )
        case _:
            assert_never(promise)


def _path(promise: PathState) -> Explanation:
    if not promise.present:
        return Explanation(
            how="The job's user looks for the path. Kept when nothing is there.",
            unproven=f"{_LOST}; or the user may not search a parent directory, so that absence is not a "
            "fact.",
            why="What is not promised must not be relied on, and some paths (a host's socket, a store) "
            "give away more than the class should.",
            breaks="A package or an instruction of the image that creates it, or a mounted volume.",
            mend=f"Remove {promise.path} from the image, or the volume from the pool's template.",
        )
    return Explanation(
        how="The job's user looks at the path: its type, whether it can write there, permission bits, "
        "owner and the free space of its file system, as far as the contract names them. Symbolic links "
        "are followed.",
        unproven=f"{_LOST}; the user may not search a parent directory; or the image has no stat(1) to read "
        "permission bits, owner and free space with.",
        why="Jobs write to it, read from it, or trust that nobody else can.",
        breaks="A build step that ran as another user, a chmod too many, a volume of root's, a full disk.",
        mend=f"Create {promise.path} in the image as promised ({promise.text}); check volumes mounted over "
        "it.",
    )


def _isolation(promise: IsolationPromise) -> Explanation:
    match promise:
        case Privileged():
            return Explanation(
                how="The engine's own record of the container. On a real runner: sysfs writable and "
                "CAP_SYS_ADMIN in the bounding set.",
                unproven=f"{_LOST}; or neither the engine nor sysfs tells.",
                why="Whoever runs a job in a privileged container owns the node.",
                breaks="privileged: true in the pool's template.",
                mend="Set securityContext.privileged (Kubernetes) or --privileged (Docker) as promised.",
            )
        case Capabilities():
            return Explanation(
                how="The bounding set in /proc/self/status of a process of the job: what is outside it can "
                "never be gained, not even by a setuid program.",
                unproven=f"{_LOST}; or /proc is not readable.",
                why="Each capability is a part of root's power that a job, or whoever got into one, can use.",
                breaks="capabilities.drop that does not name ALL, or an add that names too much.",
                mend="securityContext.capabilities (Kubernetes), --cap-drop and --cap-add (Docker).",
            )
        case NoNewPrivileges():
            return Explanation(
                how="NoNewPrivs in /proc/self/status of a process of the job.",
                unproven=f"{_LOST}; or /proc is not readable.",
                why="Without it a setuid program in the image makes a job root; with it sudo cannot work.",
                breaks="allowPrivilegeEscalation left at its default.",
                mend="allowPrivilegeEscalation (Kubernetes), --security-opt no-new-privileges (Docker).",
            )
        case Seccomp():
            return Explanation(
                how="Seccomp in /proc/self/status of a process of the job: 2 is a filter.",
                unproven=f"{_LOST}; or /proc is not readable.",
                why="The filter keeps system calls away that ordinary builds never make and exploits like.",
                breaks="seccompProfile: Unconfined, Kubernetes' own default on many clusters.",
                mend="seccompProfile: RuntimeDefault (Kubernetes); no seccomp=unconfined (Docker).",
            )
        case DockerSocket():
            return Explanation(
                how="Sockets at the usual paths: /var/run/docker.sock, /run/docker.sock, "
                "/run/podman/podman.sock and the one below XDG_RUNTIME_DIR.",
                unproven=_LOST + ".",
                why="Who can write to the host engine's socket owns the host.",
                breaks="A hostPath volume that mounts the socket.",
                mend="Remove the volume, or add the one that shares the daemon's socket if jobs shall have "
                "it.",
            )
        case DockerDaemon():
            return Explanation(
                how="A job looks for an engine as the docker client does: DOCKER_HOST, the usual sockets, "
                "and the ports 2375 and 2376 on localhost.",
                unproven=f"{_LOST}; or the image has nothing that could ask.",
                why="A daemon that was not promised is a way out of the container; one that was and does "
                "not answer stops every image build.",
                breaks="A sidecar that is not there, or listens elsewhere than DOCKER_HOST says; a daemon "
                "on the host's network.",
                mend="Compare the sidecar's --host with the job's DOCKER_HOST; remove what was not promised.",
            )
        case Device():
            return Explanation(
                how="Whether a character or block device stands at the path, as the job's user sees it.",
                unproven=f"{_LOST}; or the user may not search a parent directory.",
                why="A device is a way to hardware: some jobs need one (/dev/kvm), most must not have any.",
                breaks="A device that the pool passes through, or forgets to.",
                mend=f"Pass {promise.path} through in the pool's template, or stop doing so.",
            )
        case Mount():
            return Explanation(
                how="The probe tries to mount a tmpfs, first as it is and then as root of a user "
                "namespace, always in a mount namespace of its own, so that a success changes nothing.",
                unproven=f"{_LOST}; or the image has no unshare(1) or mount(8) to try it with.",
                why="A job that mounts can see what was hidden from it; some builds (sandboxes, images) "
                "need it.",
                breaks="CAP_SYS_ADMIN, or a seccomp filter that lets mount(2) pass inside a user namespace.",
                mend="Capabilities, seccompProfile and kernel.unprivileged_userns_clone decide together.",
            )
        case Unshare():
            return Explanation(
                how="The probe tries to create a user and a mount namespace with unshare(1).",
                unproven=f"{_LOST}; or the image has no unshare(1) to try it with.",
                why="Build sandboxes (Nix, Bazel) need namespaces; user namespaces also open most kernel "
                "bugs to an unprivileged job.",
                breaks="A seccomp filter or kernel setting that was loosened or tightened.",
                mend="seccompProfile, kernel.unprivileged_userns_clone and user.max_user_namespaces decide.",
            )
        case _:
            assert_never(promise)


def _daemon(promise: DaemonPromise) -> Explanation:
    match promise:
        case DaemonEndpoint():
            return Explanation(
                how="DOCKER_HOST of the job is the promised endpoint, and a Docker daemon answers the job "
                "there.",
                unproven=f"{_LOST}; or the image has nothing that could ask.",
                why="The docker client looks nowhere else: a daemon that listens on its socket only is no "
                "daemon to a job whose DOCKER_HOST names a port.",
                breaks="A sidecar started without --host=tcp://…, or another DOCKER_HOST.",
                mend=f"Start the sidecar with --host={promise.endpoint}, and give jobs "
                f"DOCKER_HOST={promise.endpoint}.",
            )
        case DaemonReady():
            return Explanation(
                how="Seconds from the start of the sidecar to its first answer, measured by the run that "
                "starts it.",
                unproven=f"{_LOST}; or this run did not start the daemon: on a real runner (a skip).",
                why="A job whose first step is docker build fails when the daemon comes up after it.",
                breaks="Slow storage, an image without dockerd, a daemon that dies at its start.",
                mend="The end of the daemon's log stands in the verdict.",
            )
        case DaemonVersion():
            return Explanation(
                how="The server version that the daemon tells the job.",
                unproven=_LOST + ".",
                why="Build features and API versions come with the server, not with the client in the image.",
                breaks="A sidecar image of another release.",
                mend=f"Use a sidecar image whose engine lies in {promise.version.text}.",
            )
        case DaemonOwn():
            return Explanation(
                how="The id of the daemon that answers the job differs from that of the engine that runs "
                "the job's container.",
                unproven="One of the two ids is not known: on a real runner (a skip).",
                why="A job with the host's engine owns the host, and shares images and names with every "
                "other job.",
                breaks="The host's socket mounted into the job or its sidecar.",
                mend="Give the class a sidecar with a daemon of its own.",
            )
        case _:
            assert_never(promise)


def _network(promise: NetworkPromise) -> Explanation:
    match promise:
        case Egress():
            return Explanation(
                how="Default routes in the kernel's tables (/proc/net/route and ipv6_route), as a job sees "
                "them. In a local engine the run's own network is judged: that a pool's policy holds shows "
                "on its runners only.",
                unproven=f"{_LOST}; or /proc/net is not readable.",
                why="A job that reaches the internet can send away what it sees, and depends on what it "
                "finds there.",
                breaks="A runner attached to a network that routes outside.",
                mend="An internal network (Docker), or a NetworkPolicy for egress (Kubernetes).",
            )
        case Resolves():
            return Explanation(
                how="The job's own resolver is asked with getent(1); any address will do. In the embedded "
                "environment the run stands behind the names that the environment file lists.",
                unproven=f"{_LOST}; the run could not start the host; or the image has no getent(1).",
                why="A service under a wrong name looks like a service that is down, to each job, until it "
                "gives up.",
                breaks="One letter: attic-api instead of attic.",
                mend=f"Compare {promise.host} with the environment file and with the deployed service.",
            )
        case Reaches():
            return Explanation(
                how="A TCP connection from the job to the service. Kept when it is accepted.",
                unproven=f"{_LOST}; the run could not start the host; or the image has nothing to connect "
                "with.",
                why="A name that resolves is not a service that answers.",
                breaks="A wrong port, a service that is down, a network policy.",
                mend=f"Compare {promise.host}:{promise.port} with the port that the service listens on.",
            )
        case Denied():
            return Explanation(
                how="A container of the run stands in for the host and must answer a neighbour that may "
                "reach it: the positive control. Then the job tries every spelling of the address (dotted, "
                "decimal, octal, hexadecimal, IPv6-mapped); each must be refused or unreachable at once. A "
                "default route breaks the promise without a packet being sent.",
                unproven="The stand-in does not start or does not answer its neighbour; an attempt ends in "
                "a time-out, which shows nothing; or on a real runner, where no stand-in is and no other "
                "host is tried (a skip).",
                why="Whoever reads the cloud's metadata service from a job holds the node's identity.",
                breaks="A network that routes there, or a policy that denies one spelling of the address.",
                mend="Deny the address itself at the network, not a text in a proxy.",
            )
        case _:
            assert_never(promise)


_CGROUP_HIDDEN = "or the control group's file is not visible to the job."


def _resources(promise: ResourcePromise) -> Explanation:
    match promise:
        case CpuLimit():
            return Explanation(
                how="The quota in the job's own control group (cpu.max; cpu.cfs_quota_us and "
                "cpu.cfs_period_us on cgroup v1), to within 1 %.",
                unproven=f"{_LOST}; {_CGROUP_HIDDEN} A host with fewer CPUs than the limit: a skip.",
                why="Build tools size themselves by it; without one a job starves its neighbours.",
                breaks="A template whose resources never reach the pod.",
                mend=f"resources.limits.cpu of the runner's container: {human_cpus(promise.milli)}.",
            )
        case CpuRequest():
            return Explanation(
                how="The relative share in the job's own control group: cpu.shares on cgroup v1 (1024 a "
                "CPU), cpu.weight on v2, in either of the mappings that container runtimes use.",
                unproven=f"{_LOST}; {_CGROUP_HIDDEN}",
                why="It is what a job gets when the node is full.",
                breaks="A template whose resources never reach the pod.",
                mend=f"resources.requests.cpu of the runner's container: {human_cpus(promise.milli)}.",
            )
        case MemoryLimit():
            return Explanation(
                how="The ceiling in the job's own control group (memory.max; memory.limit_in_bytes on "
                "cgroup v1), to within 1 %.",
                unproven=f"{_LOST}; {_CGROUP_HIDDEN} A host with less memory than the limit: a skip.",
                why="The kernel kills the largest process beyond it: often the linker, in the last minute "
                "of a build.",
                breaks="A key in the wrong place of a values file, so that a default of the chart wins.",
                mend=f"resources.limits.memory of the runner's container: {human_bytes(promise.bytes)}.",
            )
        case MemoryRequest():
            return Explanation(
                how="The reservation in the job's own control group (memory.low; "
                "memory.soft_limit_in_bytes on cgroup v1), to within 1 %.",
                unproven=f"{_LOST}; {_CGROUP_HIDDEN}",
                why="What is not reserved is given to somebody else when the node runs out.",
                breaks="A template whose resources never reach the pod.",
                mend=f"resources.requests.memory of the runner's container: {human_bytes(promise.bytes)}.",
            )
        case PidsLimit():
            return Explanation(
                how="pids.max in the job's own control group.",
                unproven=f"{_LOST}; {_CGROUP_HIDDEN}",
                why="A fork bomb, or a build that starts a process a file, takes the node along.",
                breaks="A runtime without a limit on processes.",
                mend=f"podPidsLimit of the kubelet, or --pids-limit {promise.most} (Docker).",
            )
        case _:
            assert_never(promise)
