"""The plan in Linear, read through its GraphQL API."""

from __future__ import annotations

from typing import Any

from builder_contracts.forge.http import Api, ForgeError

URL = "https://api.linear.app/graphql"
_PAGES = 50
# Connections of the API, and the fields of theirs that a plan is read from.
_FIELDS = {
    "initiatives": "name status url",
    "projects": "name url status { type }",
    "projectMilestones": "name",
}


def planning(key: str, url: str = URL) -> dict[str, list[Any]]:
    """Initiatives, projects and their milestones. Raises ForgeError."""
    api = Api(url, key, "set LINEAR_API_KEY to a key of this workspace")
    return {connection: _nodes(api, connection) for connection in _FIELDS}


def _nodes(api: Api, name: str) -> list[Any]:
    """All entries of a connection, page by page (https://linear.app/developers/pagination)."""
    query = (
        f"query($after: String) {{ {name}(first: 100, after: $after) "
        f"{{ nodes {{ {_FIELDS[name]} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
    nodes: list[Any] = []
    after: str | None = None
    for _ in range(_PAGES):
        response = api.json("POST", "", json={"query": query, "variables": {"after": after}})
        try:
            connection = response["data"][name]
            nodes += connection["nodes"]
            after = connection["pageInfo"]["endCursor"] if connection["pageInfo"]["hasNextPage"] else None
        except (KeyError, TypeError):
            errors = response.get("errors") if isinstance(response, dict) else None
            raise ForgeError(f"{api.base} did not return {name}: {str(errors)[:300]}") from None
        if after is None:
            return nodes
    raise ForgeError(f"{api.base}: more than {_PAGES} pages of {name}")
