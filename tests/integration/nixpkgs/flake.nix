# Stands in for nixpkgs where it cannot be downloaded: the few attributes that the project's flake uses, as
# bare derivations. The interpreter and its packages are real: the test copies its own into ./python.
{
  outputs =
    { self }:
    let
      letters = {
        upper = [ "A" "B" "C" "D" "E" "F" "G" "H" "I" "J" "K" "L" "M" "N" "O" "P" "Q" "R" "S" "T" "U" "V" "W" "X" "Y" "Z" ];
        lower = [ "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t" "u" "v" "w" "x" "y" "z" ];
      };
      packages =
        system:
        let
          runCommand =
            name: attributes: script:
            derivation (
              removeAttrs attributes [ "meta" ]
              // {
                inherit name system;
                builder = "/bin/sh";
                args = [
                  "-euc"
                  script
                ];
                PATH = "/usr/bin:/bin";
              }
            )
            // attributes;
          python = builtins.path {
            name = "python";
            path = ./python;
          };
          names = builtins.fromJSON (builtins.readFile ./python/distributions.json);
        in
        {
          inherit runCommand;
          # Every package is in the one tree; that the flake asks for no other is what the set checks.
          python3.withPackages =
            choose:
            let
              chosen = choose (
                builtins.listToAttrs (
                  map (name: {
                    inherit name;
                    value = name;
                  }) names
                )
              );
            in
            builtins.deepSeq chosen python;
          mkShell = attributes: runCommand "shell" { } "echo no shell here >&2; exit 1" // attributes;
          docker-client = runCommand "docker-client" { } "mkdir $out";
          jq = runCommand "jq" { } "mkdir $out";
          shellcheck = runCommand "shellcheck" { } "mkdir $out";
        };
    in
    {
      lib.toLower = builtins.replaceStrings letters.upper letters.lower;
      legacyPackages = {
        x86_64-linux = packages "x86_64-linux";
        aarch64-linux = packages "aarch64-linux";
      };
    };
}
