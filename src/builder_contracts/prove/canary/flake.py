"""What the flake canary shows besides building: identical rebuilds, pure evaluation, a current lock."""

from __future__ import annotations

from builder_contracts.prove.job import ProofJob, said
from builder_contracts.prove.records import CheckResult, Unavailable

DEADLINE = 60
PACKAGES = ("path:.", "path:.#artifact")


def rebuild(job: ProofJob) -> CheckResult | Unavailable:
    """Build again what is there and compare, as ``nix build --rebuild`` does."""
    # Nix compares what it is asked for and no dependency, so every derivation is asked for.
    listed = job.run(["nix", "path-info", "--derivation", "--recursive", *PACKAGES], deadline=DEADLINE)
    derivations = [f"{path}^*" for path in listed.stdout.decode().split() if path.endswith(".drv")]
    if not derivations:
        return Unavailable(f"the derivations could not be listed: {said(listed)}")
    done = job.run(["nix", "build", "--rebuild", "--no-link", *derivations], deadline=DEADLINE)
    text = done.stderr.decode("utf-8", "replace")
    checked = text.count("checking outputs of")
    witnesses = (
        f"client: {checked} outputs compared, status {done.status}",
        f"control: Nix lists {len(derivations)} derivations to compare",
    )
    if done.status is None:
        return Unavailable(f"the rebuild was lost: {done.ended}")
    if done.status != 0:
        return CheckResult(
            False,
            f"the rebuild differs: {said(done)}",
            "a time, a random value or a host name is in the output",
            witnesses,
        )
    if not checked:
        return Unavailable("Nix did not say that it compared anything")
    return CheckResult(
        True, f"{checked} outputs were built again and are the same bit for bit", "", witnesses
    )


def pure(job: ProofJob) -> CheckResult | Unavailable:
    """Evaluate twice in different surroundings; show that an impure expression is refused."""
    derivation = ["nix", "path-info", "--derivation", "path:."]
    first = job.run(derivation, deadline=DEADLINE)
    other = {"HOME": f"{job.folder}.home", "LANG": "C", "CI_PROOF_SECRET": "another", "TZ": "Asia/Tokyo"}
    job.run(["mkdir", "-p", f"{job.folder}.home"], deadline=10)
    second = job.run([*derivation, "--option", "eval-cache", "false"], deadline=DEADLINE, environment=other)
    impure = job.run(["nix", "eval", "--raw", "--expr", "builtins.readFile /etc/hostname"], deadline=DEADLINE)
    refused = b"forbidden in pure evaluation mode" in impure.stderr
    witnesses = (
        f"client: {first.stdout.decode().strip()} and {second.stdout.decode().strip()}",
        f"control: reading /etc/hostname is {'refused' if refused else 'not refused'}",
    )
    if None in (first.status, second.status, impure.status):
        return Unavailable("an evaluation was lost")
    if first.status != 0 or second.status != 0:
        return CheckResult(
            False,
            f"evaluation fails: {said(first if first.status else second)}",
            "it needs something from outside of its inputs",
            witnesses,
        )
    if not refused:
        return CheckResult(
            False,
            "an expression that reads /etc/hostname evaluates",
            "pure-eval is switched off in this image",
            witnesses,
        )
    if first.stdout != second.stdout:
        return CheckResult(
            False,
            "other surroundings give another derivation",
            "builtins.getEnv, currentTime or a path outside of the flake",
            witnesses,
        )
    return CheckResult(
        True, "the same derivation in other surroundings, and impure reading is refused", "", witnesses
    )


def lock(job: ProofJob) -> CheckResult | Unavailable:
    """Ask Nix to work without changing the lock; show that it would say so if it had to."""
    command = ["nix", "flake", "lock", "--no-update-lock-file", "path:."]
    done = job.run(command, deadline=DEADLINE)
    without = f"{job.folder}.unlocked"
    job.run(["sh", "-c", 'cp -r "$1" "$2" && rm -f "$2/flake.lock"', "sh", job.folder, without], deadline=20)
    control = job.run(command, deadline=DEADLINE, folder=without)
    witnesses = (f"client: {said(done)}", f"control: without a lock file {said(control)[:200]}")
    if done.status is None or control.status is None:
        return Unavailable("Nix was lost")
    if control.status == 0:
        return Unavailable("Nix is content without a lock file as well, so its answer shows nothing")
    if done.status != 0:
        return CheckResult(
            False,
            f"the lock is not current: {said(done)}",
            "run nix flake lock and commit flake.lock",
            witnesses,
        )
    return CheckResult(True, "Nix has nothing to change in flake.lock", "", witnesses)
