"""Facts of every shape that the model allows, with Unseen anywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from builder_contracts.contract.model import Contract
from builder_contracts.contract.promises.accounts import GroupAccount, UserAccount
from builder_contracts.contract.promises.commands import JobCommand
from builder_contracts.contract.promises.environment import EnvironmentVariable
from builder_contracts.contract.promises.filesystem import PathState
from builder_contracts.contract.promises.identity import Shell
from builder_contracts.contract.promises.isolation import Device
from builder_contracts.contract.promises.network import Denied, Reaches, Resolves
from builder_contracts.contract.promises.packages import PackagePromise
from builder_contracts.contract.promises.processes import RunningProcess
from builder_contracts.contract.promises.toolchain import Tool
from builder_contracts.facts import model
from builder_contracts.facts.model import Facts, IsolationFacts, NetworkFacts, ResourceFacts, Unseen
from builder_contracts.tools.package_order import MANAGERS

UNSEEN = Unseen("nobody looked")

ANY_FACTS = st.from_type(Facts)


def _some(names: Iterable[str], kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Each name may be missing, unseen, or seen."""
    return st.fixed_dictionaries({}, optional={name: st.from_type(kind) | st.just(UNSEEN) for name in names})


def _some_entries(names: Iterable[str], kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Each name may be missing, without an entry, or have one."""
    return st.fixed_dictionaries({}, optional={name: st.from_type(kind) | st.none() for name in names})


@st.composite
def facts_for(draw: st.DrawFn, contract: Contract) -> Facts:
    """Facts that speak of what the contract promises."""
    tools = {tool.name: tool for tool in contract.promised(Tool)}
    found = draw(_some(tools, model.ToolFacts))
    for name, tool in found.items():
        if isinstance(tool, model.ToolFacts):
            features = draw(_some([feature for feature, _ in tools[name].features], model.FeatureFacts))
            version = draw(st.sampled_from([tool.output, "tool 2.34.8", "v1.2", "7"]))
            found[name] = dataclasses.replace(tool, features=features, output=version)
    network = draw(st.from_type(NetworkFacts))
    env = draw(st.just(UNSEEN) | st.dictionaries(st.text(), st.text(), max_size=3))
    if isinstance(env, dict):
        variables = [variable.name for variable in contract.promised(EnvironmentVariable)]
        env |= draw(st.fixed_dictionaries({}, optional={name: st.text() for name in variables}))
    package = st.lists(
        st.builds(model.InstalledPackage, st.sampled_from(["3.0.15-1", "1.2_rc1-r0", "?"])), max_size=2
    )
    names = [package.name for package in contract.promised(PackagePromise)]
    users = [user.name for user in contract.promised(UserAccount)]
    groups = [group.name for group in contract.promised(GroupAccount)]
    return dataclasses.replace(
        draw(ANY_FACTS),
        packages=model.PackageFacts(
            draw(st.sampled_from(MANAGERS)),
            draw(st.fixed_dictionaries({}, optional=dict.fromkeys(names, package))),
        ),
        accounts=model.AccountFacts(
            draw(_some_entries(users, model.UserEntryFacts)),
            draw(_some_entries(groups, model.GroupEntryFacts)),
        ),
        processes=draw(_some([process.key for process in contract.promised(RunningProcess)], list[str])),
        commands=draw(_some([command.name for command in contract.promised(JobCommand)], model.CommandFacts)),
        tools=found,
        env=env,
        shells=draw(_some([shell.path for shell in contract.promised(Shell)], model.ShellFacts)),
        paths=draw(
            _some(
                [path.path for kind in (PathState, Device) for path in contract.promised(kind)],
                model.PathFacts,
            )
        ),
        network=dataclasses.replace(
            network,
            resolve=draw(_some([name.host for name in contract.promised(Resolves)], list[str])),
            connect=draw(
                _some([f"{at.host}:{at.port}" for at in contract.promised(Reaches)], model.ConnectionFacts)
            ),
            forbidden=draw(
                _some([name.host for name in contract.promised(Denied)], model.ForbiddenHostFacts)
            ),
        ),
    )


def all_unseen() -> Facts:
    """Facts of an observation that saw nothing at all."""

    def blank(kind: Any) -> Any:
        return kind(**{field.name: UNSEEN for field in dataclasses.fields(kind)})

    return Facts(
        runner=UNSEEN,
        image=UNSEEN,
        start=UNSEEN,
        identity=UNSEEN,
        path=UNSEEN,
        env=UNSEEN,
        daemon=UNSEEN,
        isolation=blank(IsolationFacts),
        network=NetworkFacts(default_routes=UNSEEN),
        resources=blank(ResourceFacts),
    )
