"""Check the flake canary beyond its build: identical rebuilds, pure evaluation, a current lock."""

from __future__ import annotations

from builder_contracts.prove.check_result import CheckResult, failed, passed
from builder_contracts.prove.job import ProofJob, format_completed
from builder_contracts.prove.unavailable import Unavailable

DEADLINE = 60
PACKAGES = ("path:.", "path:.#artifact")


def rebuild(job: ProofJob) -> CheckResult | Unavailable:
    """Build again what is there and compare, as ``nix build --rebuild`` does."""
    # Nix compares what it is asked for and no dependency, so every derivation is asked for.
    listed = job.run(["nix", "path-info", "--derivation", "--recursive", *PACKAGES], deadline=DEADLINE)
    derivations = [f"{path}^*" for path in listed.stdout.decode().split() if path.endswith(".drv")]
    if not derivations:
        return Unavailable(f"cannot list derivations: {format_completed(listed)}")
    rebuilt = job.run(["nix", "build", "--rebuild", "--no-link", *derivations], deadline=DEADLINE)
    text = rebuilt.stderr.decode("utf-8", "replace")
    checked = text.count("checking outputs of")
    witnesses = (
        f"client: {checked} outputs compared, status {rebuilt.status}",
        f"control: Nix lists {len(derivations)} derivations to compare",
    )
    if rebuilt.status is None:
        return Unavailable(f"the rebuild did not complete: {rebuilt.ended}")
    if rebuilt.status != 0:
        return failed(
            f"the rebuild differs: {format_completed(rebuilt)}",
            "the output contains a time, a random value or a host name",
            witnesses,
        )
    if not checked:
        return Unavailable("Nix did not report comparing any output")
    return passed(f"{checked} outputs rebuilt bit for bit identical", witnesses)


def pure(job: ProofJob) -> CheckResult | Unavailable:
    """Evaluate twice in different environments; check that an impure expression is rejected."""
    derivation = ["nix", "path-info", "--derivation", "path:."]
    first = job.run(derivation, deadline=DEADLINE)
    env = {"HOME": f"{job.folder}.home", "LANG": "C", "CI_PROOF_SECRET": "another", "TZ": "Asia/Tokyo"}
    job.run(["mkdir", "-p", f"{job.folder}.home"], deadline=10)
    second = job.run([*derivation, "--option", "eval-cache", "false"], deadline=DEADLINE, env=env)
    impure = job.run(["nix", "eval", "--raw", "--expr", "builtins.readFile /etc/hostname"], deadline=DEADLINE)
    rejected = b"forbidden in pure evaluation mode" in impure.stderr
    witnesses = (
        f"client: {first.stdout.decode().strip()} and {second.stdout.decode().strip()}",
        f"control: reading /etc/hostname is {'rejected' if rejected else 'not rejected'}",
    )
    if None in (first.status, second.status, impure.status):
        lost = next(run for run in (first, second, impure) if run.status is None)
        return Unavailable(f"an evaluation did not complete: {lost.ended}")
    if first.status != 0 or second.status != 0:
        return failed(
            f"evaluation failed: {format_completed(first if first.status else second)}",
            "it depends on something outside its inputs",
            witnesses,
        )
    if not rejected:
        return failed(
            "Nix evaluates an expression that reads /etc/hostname",
            "pure evaluation is disabled in this image",
            witnesses,
        )
    if first.stdout != second.stdout:
        return failed(
            "a different environment produces a different derivation",
            "the flake uses builtins.getEnv, currentTime or a path outside itself",
            witnesses,
        )
    return passed("same derivation in a different environment; impure reads rejected", witnesses)


def lock(job: ProofJob) -> CheckResult | Unavailable:
    """Ask Nix to work without changing the lock; check that it would report a change."""
    command = ["nix", "flake", "lock", "--no-update-lock-file", "path:."]
    checked = job.run(command, deadline=DEADLINE)
    without = f"{job.folder}.unlocked"
    job.run(["sh", "-c", 'cp -r "$1" "$2" && rm -f "$2/flake.lock"', "sh", job.folder, without], deadline=20)
    control = job.run(command, deadline=DEADLINE, folder=without)
    witnesses = (
        f"client: {format_completed(checked)}",
        f"control: without a lock file {format_completed(control)[:200]}",
    )
    if checked.status is None or control.status is None:
        return Unavailable(f"Nix did not complete: {checked.ended or control.ended}")
    if control.status == 0:
        return Unavailable("Nix also accepts a missing lock file, so acceptance proves nothing")
    if checked.status != 0:
        return failed(
            f"flake.lock is out of date: {format_completed(checked)}",
            "run 'nix flake lock' and commit flake.lock",
            witnesses,
        )
    return passed("flake.lock is up to date", witnesses)
