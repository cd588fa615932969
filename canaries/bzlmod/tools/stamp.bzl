"""A rule of the workspace's own: joins files and seals them with a checksum."""

def _stamp_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.run_shell(
        outputs = [out],
        inputs = ctx.files.srcs,
        arguments = [ctx.actions.args().add(out).add_all(ctx.files.srcs)],
        command = 'out="$1"; shift; { cat "$@"; cat "$@" | cksum; } > "$out"',
        mnemonic = "Stamp",
        progress_message = "Stamping %{label}",
    )
    return [DefaultInfo(files = depset([out]))]

stamp = rule(
    implementation = _stamp_impl,
    attrs = {"srcs": attr.label_list(allow_files = True, mandatory = True)},
)
