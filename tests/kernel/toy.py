"""A source tree that speaks the kernel's make targets and compiles two C files: the tiers in seconds.

Not a kernel: what only a kernel can show is in test_canary.py.
"""

from __future__ import annotations

from pathlib import Path

MAKEFILE = """\
export CC
kernelversion: ; @echo 1.2.3
kernelrelease: ; @echo 1.2.3$(LOCALVERSION)
image_name: ; @echo image
toyconfig tinyconfig: ; @echo CONFIG_BASE=y >$(O)/.config
# Drops CONFIG_DREAM as Kconfig drops an option whose dependencies are off.
olddefconfig: ; @sed -i '/CONFIG_DREAM/d' $(O)/.config
prepare: ; @true
vmlinux_a: $(O)/a.o $(O)/b.o
\t@EXTRA
$(O)/%.o: %.c
\t@echo '  CC      $(notdir $@)'
\t$(CC) FLAGS -c -o $@ $<
bzImage: vmlinux_a
\t@cat $(O)/a.o $(O)/b.o >$(O)/vmlinux && cp $(O)/vmlinux $(O)/image
modules: ; @true
binrpm-pkg:
	@mkdir -p $(O)/rpmbuild
	@sed -e 's|OUT|$(O)|g' -e 's|LOCAL|$(LOCALVERSION)|g' kernel.spec >$(O)/kernel.spec
	@rpmbuild -bb --define '_topdir $(O)/rpmbuild' $(RPMOPTS) $(O)/kernel.spec
.PHONY: prepare modules bzImage vmlinux_a
"""
SPEC = """\
Name: kernel
Version: 1.2.3
Release: 1.xr.el10
Summary: A toy
License: None
%description
A toy.
%install
cd %{buildroot} && mkdir -p lib/modules/1.2.3LOCAL && cd lib/modules/1.2.3LOCAL
cp OUT/image vmlinuz && cp OUT/.config config && echo MAP >System.map
%files
/lib/modules
"""
MERGE = """\
#!/bin/sh
# merge_config.sh -m -O BUILD BASE FRAGMENT…
shift 3
base=$1
shift
cat "$@" >>"$base"
"""
PATCH = """\
--- a/a.c
+++ b/a.c
@@ -1,3 +1,3 @@
 int a(void);
-int one = 1;
+int one = 11;
 int a(void) { return one; }
"""


def tree(
    folder: Path,
    *,
    extra: str = "true",
    flags: str = "-O1",
    options: str = "CONFIG_A=y\n",
    patch: str = PATCH,
    spec: str = SPEC,
) -> Path:
    """Write the tree; ``extra`` is a command of its build, ``flags`` are the compiler's, ``spec`` is
    its package's."""
    for name in ("scripts/kconfig", "xr/patches", "xr/config"):
        (folder / name).mkdir(parents=True)
    (folder / "Kbuild").touch()
    (folder / "kernel.spec").write_text(spec)
    (folder / "Makefile").write_text(MAKEFILE.replace("EXTRA", extra).replace("FLAGS", flags))
    (folder / "a.c").write_text("int a(void);\nint one = 1;\nint a(void) { return one; }\n")
    (folder / "b.c").write_text("int b(void);\nint b(void) { return 2; }\n")
    merge = folder / "scripts/kconfig/merge_config.sh"
    merge.write_text(MERGE)
    merge.chmod(0o755)
    (folder / "xr/patches/series").write_text("0001-toy.patch\n")
    (folder / "xr/patches/0001-toy.patch").write_text(patch)
    (folder / "xr/config/toy.config").write_text(options)
    return folder
