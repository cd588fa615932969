{
  description = "Builder Contracts: executable contracts for CI runner classes";

  # Any nixpkgs that has the Python packages of pyproject.toml will do:
  #   nix flake check --override-input nixpkgs …
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      # Name, version and dependencies are read from where they are written down.
      pyproject = builtins.fromTOML (builtins.readFile ./pyproject.toml);
      name = pyproject.project.name;
      version = builtins.head (
        builtins.match ".*__version__ = \"([^\"]+)\".*" (builtins.readFile ./src/builder_contracts/__init__.py)
      );

      # "PyYAML>=6.0.1,<7" is pyyaml in nixpkgs, and "backports.zstd" backports-zstd.
      attribute =
        requirement:
        builtins.replaceStrings [ "." ] [ "-" ] (
          nixpkgs.lib.toLower (builtins.head (builtins.match "([A-Za-z0-9.-]+).*" requirement))
        );
      # Python's grammars of tree-sitter stand in a set of their own.
      find = packages: wanted: packages.${wanted} or packages.tree-sitter-grammars.${wanted} or null;
      # The command line with everything that needs no real runner.
      runtime =
        packages:
        map (
          requirement:
          let
            found = find packages (attribute requirement);
          in
          if found == null then throw "nixpkgs has no Python package ${attribute requirement}" else found
        ) (
          pyproject.project.dependencies
          ++ pyproject.project.optional-dependencies.truth
          ++ pyproject.project.optional-dependencies.dashboard
        );
      # What nixpkgs lacks of the development tools (some type stubs) comes with script/setup.
      development =
        packages:
        builtins.filter (found: found != null) (
          map (requirement: find packages (attribute requirement)) pyproject.project.optional-dependencies.dev
        );

      each =
        outputs:
        builtins.listToAttrs (
          map
            (system: {
              name = system;
              value = outputs nixpkgs.legacyPackages.${system};
            })
            [
              "x86_64-linux"
              "aarch64-linux"
            ]
        );

      # The command line, on this very source tree.
      command =
        pkgs:
        pkgs.runCommand "${name}-${version}"
          {
            meta = {
              description = pyproject.project.description;
              license.spdxId = pyproject.project.license;
              mainProgram = name;
            };
          }
          ''
            mkdir -p $out/bin
            cat > $out/bin/${name} <<'END'
            #!${pkgs.python3.withPackages runtime}/bin/python3
            import sys
            sys.path.insert(0, "${self}/src")
            from builder_contracts.cli import main
            main()
            END
            chmod +x $out/bin/${name}
          '';
    in
    {
      packages = each (pkgs: {
        default = command pkgs;
      });

      # nix flake check: the contracts of this checkout are well formed, and no waiver had expired on the day it ran.
      checks = each (pkgs: {
        contracts = pkgs.runCommand "${name}-validate-${version}" { } ''
          cd ${self}
          ${command pkgs}/bin/${name} validate contracts > $out
          cat $out
        '';
      });

      # Everything but a Docker Engine. pytest finds the plugin without an installed package.
      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            (pkgs.python3.withPackages (packages: runtime packages ++ development packages))
            pkgs.docker-client
            pkgs.jq
            pkgs.shellcheck
            (command pkgs)
          ];
          shellHook = ''
            export PYTHONPATH=$PWD/src''${PYTHONPATH:+:$PYTHONPATH}
            export PYTEST_PLUGINS=builder_contracts.plugin
          '';
        };
      });
    };
}
