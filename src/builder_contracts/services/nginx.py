"""nginx in front of every server: access rules per identity, and a log of each request. Pure text.

The servers behind nginx have no identities. nginx looks up the Authorization header of a request in a table; the
method and the identity decide whether it accepts the request. Every response is one JSON line of the access log, the second witness
of each proof.
"""

from __future__ import annotations

from builder_contracts.services.principals import Credentials

# Methods of the Remote Execution API and ByteStream that change the contents of a Bazel cache.
GRPC_WRITES = (
    "build.bazel.remote.execution.v2.ActionCache/UpdateActionResult",
    "build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs",
    "build.bazel.remote.execution.v2.ContentAddressableStorage/SpliceBlob",
    "google.bytestream.ByteStream/Write",
)

_HEAD = """\
worker_processes 1;
pid /tmp/nginx.pid;
daemon off;
error_log stderr crit;
events { worker_connections 1024; }
http {
  client_body_temp_path /srv/data/incoming;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  client_max_body_size 0;
  map_hash_bucket_size 256;
  server_tokens off;
  default_type application/octet-stream;
  # The Remote Execution API's metadata header has dots in its name; nginx would drop it.
  ignore_invalid_headers off;
  log_format witness escape=json '{"at":"$time_iso8601","from":"$remote_addr","identity":"$identity",'
    '"method":"$request_method","uri":"$request_uri","status":$status,"bytes":$body_bytes_sent,'
    '"grpc":"$sent_http_grpc_status$sent_trailer_grpc_status"}';
  access_log /dev/stdout witness;
"""

_HEALTH = """
    location = /.health { access_log off; return 200 "well\\n"; }
"""

# Everybody may read, only the writer may write: 401 asks for credentials, 403 rejects them.
_METHODS = """
  map "$identity $request_method" $refusal {
    default 403;
    "~^unknown " 401;
    "~ (GET|HEAD|OPTIONS)$" 0;
    "~^anonymous " 401;
    "~^writer " 0;
  }
"""

_REFUSE = """
      if ($refusal = 401) { return 401; }
      if ($refusal = 403) { return 403; }
"""

_CHALLENGE = """
    error_page 401 = @credentials;
    location @credentials { add_header WWW-Authenticate 'Basic realm="cache"' always; return 401; }
"""


def _identities(credentials: Credentials, *, bearer: bool = False) -> str:
    lines = ["  map $http_authorization $identity {", "    default unknown;", '    "" anonymous;']
    for identity in (credentials.reader, credentials.writer):
        lines.append(f'    "{identity.authorization}" {identity.name};')
        if bearer:
            lines.append(f'    "Bearer {identity.secret}" {identity.name};')
    if bearer:
        lines.append('    "Bearer anonymous" anonymous;')
    return "\n".join([*lines, "  }"])


def files(credentials: Credentials, *, port: int, folder: str) -> str:
    """A folder that everybody may read and only the writer may PUT into: a Nix binary cache, a Bazel HTTP cache."""
    return f"""{_HEAD}{_identities(credentials)}{_METHODS}
  server {{
    listen {port};
    root {folder};{_HEALTH}
    location / {{{_REFUSE}
      dav_methods PUT;
      create_full_put_path on;
      dav_access user:rw group:r;
    }}{_CHALLENGE}  }}
}}
"""


def bazel_grpc(credentials: Credentials, *, port: int, backend: int) -> str:
    """REAPI: reading for both identities, writing for the writer; rejections are gRPC's own.

    A rejection is HTTP 200 with a grpc-status header: Bazel reports any other HTTP status as UNKNOWN.
    """
    writes = "|".join(method.replace(".", r"\.") for method in GRPC_WRITES)
    return f"""{_HEAD}{_identities(credentials)}
  map "$identity $uri" $refusal {{
    default 0;
    "~^(anonymous|unknown) " 16;
    "~^reader /({writes})$" 7;
  }}
  server {{
    listen {port};
    http2 on;{_HEALTH}
    location / {{
      if ($refusal = 16) {{ return 401; }}
      if ($refusal = 7) {{ return 403; }}
      grpc_pass grpc://127.0.0.1:{backend};
      grpc_read_timeout 60s;
    }}
    error_page 401 = @unauthenticated;
    error_page 403 = @denied;
    error_page 502 503 504 = @unavailable;
    location @unauthenticated {{
      default_type application/grpc;
      add_header grpc-status 16;
      add_header grpc-message "credentials required";
      return 200 "";
    }}
    location @denied {{
      default_type application/grpc;
      add_header grpc-status 7;
      add_header grpc-message "this identity may only read";
      return 200 "";
    }}
    location @unavailable {{
      default_type application/grpc;
      add_header grpc-status 14;
      add_header grpc-message "the cache does not respond";
      return 200 "";
    }}
  }}
}}
"""


def registry(credentials: Credentials, *, backend: int) -> str:
    """An OCI registry: anonymous pull, push with the writer's credentials.

    Container engines learn how to log in from the first response only, so a registry that is open for
    reading has to speak the token protocol: /token returns one fixed token per identity. Source: the
    distribution project's token authentication specification.
    """
    challenge = 'Bearer realm="$scheme://$http_host/token",service="registry"'
    return f"""{_HEAD}{_identities(credentials, bearer=True)}{_METHODS}
  map $identity $token {{
    default "";
    anonymous anonymous;
    reader {credentials.reader.secret};
    writer {credentials.writer.secret};
  }}
  server {{
    listen 80;
    listen 443 ssl;
    ssl_certificate /srv/conf/certificate.pem;
    ssl_certificate_key /srv/conf/key.pem;{_HEALTH}
    location = /token {{
      default_type application/json;
      if ($token = "") {{ return 401; }}
      return 200 '{{"token":"$token","access_token":"$token","expires_in":3600}}';
    }}
    location = /v2/ {{
      if ($http_authorization = "") {{ return 401; }}
      if ($identity = unknown) {{ return 401; }}
      proxy_pass http://127.0.0.1:{backend};
    }}
    location / {{{_REFUSE}
      proxy_pass http://127.0.0.1:{backend};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
    }}
    error_page 401 = @credentials;
    error_page 403 = @denied;
    location @credentials {{
      default_type application/json;
      add_header WWW-Authenticate '{challenge}' always;
      return 401 '{{"errors":[{{"code":"UNAUTHORIZED","message":"credentials required"}}]}}';
    }}
    location @denied {{
      default_type application/json;
      return 403 '{{"errors":[{{"code":"DENIED","message":"this identity may only pull"}}]}}';
    }}
  }}
}}
"""


def objects(*, port: int, backend: int) -> str:
    """S3: the server itself checks signatures and rights; nginx adds the log, with the key's name."""
    return f"""{_HEAD}
  map $http_authorization $identity {{
    default unknown;
    "" anonymous;
    "~Credential=(?<key>[A-Za-z0-9]+)/" $key;
  }}
  server {{
    listen {port};{_HEALTH}
    location / {{
      proxy_pass http://127.0.0.1:{backend};
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
    }}
  }}
}}
"""
