"""Rows of the table for ports, responses, and the settings of Nix and of a daemon."""

from __future__ import annotations

from dataclasses import replace

from builder_contracts.contract.promises.daemon import (
    DaemonInsecureRegistries,
    DaemonListens,
    DaemonMtu,
    DaemonNetworks,
    DaemonStorageDriver,
)
from builder_contracts.contract.promises.image import ImageSetting
from builder_contracts.contract.promises.network import Responds
from builder_contracts.contract.promises.nix import NixSetting
from builder_contracts.contract.promises.ports import OtherPorts, Port
from builder_contracts.facts.model import (
    DaemonFacts,
    DaemonSettingsFacts,
    Facts,
    NetworkFacts,
    NixSettingFacts,
    ResponseFacts,
    Unseen,
)
from tests.unit.judge.observed import IMAGE, LOST, NOT_HERE, Row, broken, facts, kept, unproven

SETTINGS = DaemonSettingsFacts("overlay2", ["127.0.0.0/8", "::1/128"], 1500, ["bridge", "host", "none"])
URL = "http://attic/info"


def ports(**addresses: str) -> Facts:
    """``tcp22="0.0.0.0 ::"``: what listens there."""
    return facts(ports={f"{key[3:]}/{key[:3]}": text.split() for key, text in addresses.items()})


def daemon(**changes: object) -> Facts:
    return facts(daemon=DaemonFacts(True, "docker info", settings=replace(SETTINGS, **changes)))  # type: ignore[arg-type]  # a row gives any of them


def nix(value: str | None, source: str = "") -> Facts:
    return facts(nix_settings={"sandbox": NixSettingFacts(value, source)})


def response(status: int, outcome: str = "connected", output: str = "") -> Facts:
    return facts(network=NetworkFacts(responses={URL: ResponseFacts(outcome, status, output)}))


SECTIONS: dict[str, list[Row]] = {
    "ports": [
        kept("closed", Port("22/tcp", "absent"), ports(), "nothing listens on 22/tcp"),
        kept("another port", Port("22/tcp", "absent"), ports(tcp80="::"), "nothing listens on 22/tcp"),
        kept("the other protocol", Port("53/tcp", "absent"), ports(udp53="::"), "nothing listens on 53/tcp"),
        broken("open", Port("22/tcp", "absent"), ports(tcp22="0.0.0.0 ::"), "22/tcp listens on 0.0.0.0, ::", "image or the pool starts"),
        broken("open on loopback", Port("22/tcp", "absent"), ports(tcp22="127.0.0.1"), "listens on 127.0.0.1", "image or the pool starts"),
        kept("somewhere", Port("53/udp", "present"), ports(udp53="10.0.0.2"), "53/udp listens on 10.0.0.2"),
        broken("nowhere", Port("53/udp", "present"), ports(), "nothing listens on 53/udp", "did not start"),
        kept("loopback", Port("2375/tcp", "loopback"), ports(tcp2375="127.0.0.1 ::1"), "listens on 127.0.0.1, ::1"),
        broken("everywhere", Port("2375/tcp", "loopback"), ports(tcp2375="127.0.0.1 ::"), "127.0.0.1, ::", "another address"),
        broken("closed where promised", Port("2375/tcp", "loopback"), ports(), "nothing listens", "did not start"),
        kept("the address", Port("80/tcp", "10.0.0.2"), ports(tcp80="10.0.0.2"), "listens on 10.0.0.2"),
        broken("more addresses", Port("80/tcp", "10.0.0.2"), ports(tcp80="10.0.0.2 127.0.0.1"), "10.0.0.2, 127.0.0.1", "another address"),
        unproven("ports unseen", Port("22/tcp", "absent"), facts(ports=LOST), "did not complete"),
        unproven("ports not asked", OtherPorts(frozenset()), facts(), "not part of this observation"),
        kept("no others", OtherPorts(frozenset({"22/tcp"})), ports(tcp22="::"), "nothing listens on other ports"),
        kept("the engine's resolver", OtherPorts(frozenset()), ports(tcp40001="127.0.0.11", udp40002="127.0.0.11"), "nothing listens"),
        broken("another", OtherPorts(frozenset({"22/tcp"})), ports(tcp22="::", udp22="::", tcp9="127.0.0.1"), "22/udp listens on ::; 9/tcp listens on 127.0.0.1", "name its port"),
        broken("beside the engine's resolver", OtherPorts(frozenset()), ports(tcp40001="127.0.0.11 127.0.0.1"), "40001/tcp listens on 127.0.0.1", "stop it"),
    ],
    "nix": [
        kept("equal", NixSetting("sandbox", ("false",)), nix("false", "/etc/nix/nix.conf"), "sandbox = false (set in /etc/nix/nix.conf)"),
        broken("other value", NixSetting("sandbox", ("false",)), nix("true", "NIX_CONFIG"), "sandbox = true (set in NIX_CONFIG)", "NIX_CONFIG sets it"),
        broken("other default", NixSetting("sandbox", ("false",)), nix("true"), "sandbox = true", "Nix's default"),
        broken("part of the value", NixSetting("sandbox", ("a",)), nix("a b"), "a b", "default"),
        kept("empty", NixSetting("sandbox", (), "same"), nix(""), "sandbox = "),
        kept("same words", NixSetting("sandbox", ("a", "b"), "same"), nix("b a"), "b a"),
        broken("more words", NixSetting("sandbox", ("a", "b"), "same"), nix("a b c"), "a b c", "default"),
        kept("among others", NixSetting("sandbox", ("a",), "contains"), nix("b a"), "b a"),
        kept("all of the words", NixSetting("sandbox", ("a", "b"), "contains"), nix("b a"), "b a"),
        broken("not among others", NixSetting("sandbox", ("a",), "contains"), nix("ab"), "ab", "default"),
        broken("unknown", NixSetting("sandbox", ("true",)), nix(None), "Nix has no setting sandbox", "does not know it"),
        unproven("no nix", NixSetting("sandbox", ("true",)), facts(nix_settings={"sandbox": LOST}), "did not complete"),
        unproven("not asked", NixSetting("max-jobs", ("1",)), nix("1"), "not part of this observation"),
    ],
}  # fmt: skip

IMAGE_ROWS = [
    kept("no ports exposed", ImageSetting("EXPOSE", ()), facts(), "no EXPOSE"),
    kept("exposed", ImageSetting("EXPOSE", ("80/tcp",)), facts(image=replace(IMAGE, exposed=["80/tcp"])), "EXPOSE 80/tcp"),
    broken("more exposed", ImageSetting("EXPOSE", ("80/tcp",)), facts(image=replace(IMAGE, exposed=["22/tcp", "80/tcp"])), "EXPOSE 22/tcp 80/tcp", "EXPOSE changed"),
]  # fmt: skip

NETWORK_ROWS = [
    kept("status", Responds(URL, 200), response(200), "status 200"),
    broken("other status", Responds(URL, 200), response(503), "status 503", "another service answers"),
    broken("redirect", Responds(URL, 200), response(302), "status 302", "another service answers"),
    broken("no response", Responds(URL, 200), response(0, "refused", "Connection refused"), "refused: Connection refused", "nothing listens"),
    broken("not trusted", Responds(URL, 200), response(0, "untrusted", "self-signed certificate"), "self-signed", "CA bundle lacks"),
    broken("silence", Responds(URL, 200), response(0, "timeout", "20 s"), "timeout", "hangs"),
    unproven("no client", Responds(URL, 200), facts(network=NetworkFacts(responses={URL: LOST})), "did not complete"),
    unproven("no way out", Responds(URL, 200), facts(network=NetworkFacts(responses={URL: NOT_HERE})), "no runner", provable_here=False),
    unproven("request not sent", Responds("http://x/", 200), response(200), "not part of this observation"),
]  # fmt: skip

DAEMON_ROWS = [
    kept("listens on loopback", DaemonListens(2375), ports(tcp2375="127.0.0.1 ::1"), "2375 listens on 127.0.0.1, ::1"),
    broken("listens everywhere", DaemonListens(2375), ports(tcp2375="127.0.0.1 ::"), "listens on 127.0.0.1, ::", "everybody"),
    unproven("listens nowhere", DaemonListens(2375), ports(udp2375="127.0.0.1"), "nothing listens on port 2375"),
    unproven("sockets unseen", DaemonListens(2375), facts(ports=LOST), "did not complete"),
    kept("driver", DaemonStorageDriver(("overlayfs", "overlay2")), daemon(), "storage driver overlay2"),
    broken("other driver", DaemonStorageDriver(("overlay2",)), daemon(storage_driver="vfs"), "vfs", "/var/lib/docker"),
    kept("loopback alone", DaemonInsecureRegistries(()), daemon(), "none beside loopback"),
    kept("promised registry", DaemonInsecureRegistries(("r:5000",)), daemon(insecure_registries=["r:5000", "127.0.0.0/8"]), "r:5000"),
    broken("unpromised registry", DaemonInsecureRegistries(()), daemon(insecure_registries=["r:5000"]), "r:5000", "daemon.json"),
    broken("secure after all", DaemonInsecureRegistries(("r:5000",)), daemon(), "none beside", "daemon.json"),
    kept("mtu", DaemonMtu(1500), daemon(), "MTU 1500"),
    broken("other mtu", DaemonMtu(1450), daemon(), "MTU 1500", "packets above"),
    unproven("no bridge", DaemonMtu(1450), daemon(mtu=Unseen("the daemon has no network called bridge")), "no network called bridge"),
    kept("networks", DaemonNetworks(("none", "host", "bridge")), daemon(), "bridge, host, none"),
    broken("one more network", DaemonNetworks(("bridge", "host", "none")), daemon(networks=["bridge", "ci", "host", "none"]), "bridge, ci", "another job's state"),
    broken("one less network", DaemonNetworks(("bridge",)), daemon(networks=[]), "networks none", "removed one"),
    unproven("settings unseen", DaemonMtu(1500), facts(daemon=DaemonFacts(True, "docker info", settings=LOST)), "did not complete"),
    unproven("no daemon", DaemonMtu(1500), facts(daemon=LOST), "did not complete"),
]  # fmt: skip
