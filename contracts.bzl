"""A test that contracts are well formed."""

_SCRIPT = """#!/bin/sh
python=${{BUILDER_CONTRACTS_PYTHON:-python3}}
"$python" -c 'import click, jsonschema, packaging, yaml' || {{
    echo "$python lacks what builder-contracts needs: run script/setup, then" >&2
    echo "bazel test --test_env=BUILDER_CONTRACTS_PYTHON=\\$PWD/.venv/bin/python //:all" >&2
    exit 1
}}
PYTHONPATH={sources} exec "$python" -c 'from builder_contracts.cli import main; main()' validate {contracts}
"""

def _quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"

def _contracts_test(ctx):
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    package = ctx.attr._package.label
    workspace = package.workspace_root.replace("external/", "../")
    ctx.actions.write(
        script,
        _SCRIPT.format(
            sources = _quoted((workspace + "/" if workspace else "") + "src"),
            contracts = " ".join([_quoted(contract.short_path) for contract in ctx.files.srcs]),
        ),
        is_executable = True,
    )
    files = ctx.files.srcs + ctx.files.data + ctx.files._package
    return [DefaultInfo(executable = script, runfiles = ctx.runfiles(files = files))]

contracts_test = rule(
    implementation = _contracts_test,
    doc = """Runs 'builder-contracts validate' over contracts.

It also names waivers that have expired: by the day of the run, so that a result which Bazel keeps is as old as its run.

The interpreter is the one that BUILDER_CONTRACTS_PYTHON names (--test_env), python3 otherwise. It must have
the dependencies of the Python package; script/setup makes one in .venv.""",
    attrs = {
        "srcs": attr.label_list(
            doc = "The contracts that are validated together.",
            allow_files = [".yaml", ".yml"],
            allow_empty = False,
        ),
        "data": attr.label_list(
            doc = "What they extend.",
            allow_files = True,
        ),
        "_package": attr.label(default = "//:builder_contracts"),
    },
    test = True,
)
