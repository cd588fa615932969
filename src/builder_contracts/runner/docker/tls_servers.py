"""Two TLS servers of the run, and what a tool in a runner makes of them.

One has a certificate of an authority of the run, the other one of an authority that nobody is told of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import docker
import docker.errors
from docker.types import EndpointConfig

from builder_contracts.facts.model import FeatureFacts, HandshakeFacts, Seen, Unseen
from builder_contracts.runner.docker import engine
from builder_contracts.runner.protocol import CompletedCommand

HOST = "tls.builder-contracts.internal"
_TRUSTED, _UNKNOWN = 443, 8443
_SECONDS = 20.0

# Everything is made in the container, and its keys stay there. The server of Git's "dumb" protocol is a file.
COMMAND = [
    "sh",
    "-c",
    r"""
set -e
cd /tmp
for name in trusted unknown; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -addext keyUsage=critical,keyCertSign,cRLSign -subj "/CN=builder-contracts $name" -keyout $name-ca.key -out $name-ca.pem 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
    -keyout $name.key -out $name.csr 2>/dev/null
  # Python verifies strictly (VERIFY_X509_STRICT), so that the extensions of RFC 5280 are all there.
  printf '%s\n' "subjectAltName=DNS:$1" authorityKeyIdentifier=keyid subjectKeyIdentifier=hash \
    basicConstraints=critical,CA:FALSE keyUsage=critical,digitalSignature >$name.ext
  openssl x509 -req -in $name.csr -CA $name-ca.pem -CAkey $name-ca.key -days 2 -extfile $name.ext -out $name.pem 2>/dev/null
done
mkdir -p /tmp/web/repository.git/info
printf 'page\n' >/tmp/web/index.html
printf '%040d\trefs/heads/main\n' 1 >/tmp/web/repository.git/info/refs
printf %s "$2" >/tmp/nginx.conf
exec nginx -c /tmp/nginx.conf
""",
    "sh",
    HOST,
    f"""
pid /tmp/nginx.pid;
error_log stderr;
daemon off;
events {{}}
http {{
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  root /tmp/web;
  server {{ listen {_TRUSTED} ssl; ssl_certificate /tmp/trusted.pem; ssl_certificate_key /tmp/trusted.key; }}
  server {{ listen {_UNKNOWN} ssl; ssl_certificate /tmp/unknown.pem; ssl_certificate_key /tmp/unknown.key; }}
}}
""",
]
ENDPOINT = EndpointConfig("1.44", aliases=[HOST])

# The positive control: both servers answer one who knows their authorities.
_CONTROL = r"""
cd /tmp
for pair in "trusted $2" "unknown $3"; do
  name=${pair% *} port=${pair#* }
  until [ -s $name-ca.pem ] && curl --silent --output /dev/null --cacert $name-ca.pem --resolve "$1:$port:127.0.0.1" "https://$1:$port/"; do
    sleep 0.1
  done
done
openssl x509 -in trusted-ca.pem -noout -subject_hash
cat trusted-ca.pem
"""


@dataclass(frozen=True)
class TlsServers:
    """The authority of one of the servers, and the name under which OpenSSL looks it up in a directory."""

    authority: str
    subject_hash: str


def await_ready(client: docker.DockerClient, container: str) -> Seen[TlsServers]:
    """Wait until both servers answer a client of the run's own."""
    completed = engine.execute(
        client, container, ["sh", "-c", _CONTROL, "sh", HOST, str(_TRUSTED), str(_UNKNOWN)], deadline=30
    )
    if completed.status != 0:
        return Unseen(f"the run's TLS servers did not answer: {completed.ended or completed.status}")
    subject_hash, _, authority = completed.stdout.decode("ascii", "replace").partition("\n")
    return TlsServers(authority, subject_hash)


# As update-ca-certificates does: the bundle is what it is, and directories of OpenSSL hold a file by its hash.
_ADD = r"""
for bundle in "${SSL_CERT_FILE-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
  /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
  [ -n "$bundle" ] && [ -f "$bundle" ] || continue
  printf '\n%s\n' "$1" >>"$bundle" || exit 1
  if [ -d /etc/ssl/certs ]; then printf '%s\n' "$1" >"/etc/ssl/certs/$2.0" || exit 1; fi
  printf %s "$bundle"
  exit
done
"""


def _requests(port: int) -> dict[str, list[str]]:
    url = f"https://{HOST}:{port}/"
    server = f"{HOST}:{port}"
    return {
        "curl": ["--silent", "--show-error", "--output", "/dev/null", url],
        "wget": ["--quiet", "--output-document=/dev/null", url],
        # Away from the working directory, which the job's user may not be able to read.
        "git": ["-C", "/", "ls-remote", f"{url}repository.git"],
        "openssl": [
            "s_client",
            "-brief",
            "-connect",
            server,
            "-verify_hostname",
            HOST,
            "-verify_return_error",
        ],
        "python3": ["-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1])", url],
    }


_RUN = 'command -v "$1" >/dev/null || { echo "$1 is not on PATH" >&2; exit 127; }; exec "$@" </dev/null'


def shake_hands(
    client: docker.DockerClient,
    container: str,
    execute: Callable[[Sequence[str]], CompletedCommand],
    servers: TlsServers,
    tools: Sequence[str],
) -> dict[str, Seen[HandshakeFacts]]:
    """Add the authority to a container's bundle, and let each tool request a page from both servers."""
    added = engine.execute(
        client,
        container,
        ["/bin/sh", "-c", _ADD, "sh", servers.authority, servers.subject_hash],
        deadline=_SECONDS,
        user="root",
    )
    if added.status != 0:
        reason = added.ended or added.stderr.decode("utf-8", "replace").strip()[:300]
        return dict.fromkeys(tools, Unseen(f"the authority cannot be added to the CA bundle: {reason}"))
    bundle = added.stdout.decode("utf-8", "replace")

    def attempt(tool: str, port: int) -> FeatureFacts | Unseen:
        completed = execute(["/bin/sh", "-c", _RUN, "sh", tool, *_requests(port)[tool]])
        if completed.status is None:
            return Unseen(f"{tool}: {completed.ended}")
        lines = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        return FeatureFacts(completed.status, " | ".join(line.strip() for line in lines[-3:])[:300])

    seen: dict[str, Seen[HandshakeFacts]] = {}
    for tool in tools:
        trusted, unknown = attempt(tool, _TRUSTED), attempt(tool, _UNKNOWN)
        if isinstance(trusted, Unseen) or isinstance(unknown, Unseen):
            seen[tool] = trusted if isinstance(trusted, Unseen) else unknown  # type: ignore[assignment]
        else:
            seen[tool] = HandshakeFacts(bundle, trusted, unknown)
    return seen
