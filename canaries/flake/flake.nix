{
  description = "Canary: locked, pure, several derivations, nothing from outside";

  # A locked input that travels with the canary, so that the lock file means
  # something and no network is needed to honour it.
  inputs.words = {
    url = "path:./words";
    flake = false;
  };

  outputs =
    { self, words }:
    let
      # Content that never existed before gives store paths that no cache can
      # hold. Whoever runs the canary as a proof writes a fresh value here.
      nonce = builtins.replaceStrings [ "\n" ] [ "" ] (builtins.readFile ./nonce);

      # /bin/sh and its builtins only: nothing that a runner could lack.
      step =
        system: name: script: more:
        derivation (
          {
            inherit name system;
            builder = "/bin/sh";
            args = [
              "-euc"
              script
            ];
          }
          // more
        );

      packagesFor =
        system:
        let
          # Fixed output: known by its content, not by how it was made. With the nonce in it, because two runs
          # at one cache must not publish, and remove again, the same path.
          motto = step system "motto" ''printf '%s\n' "$motto" > "$out"'' {
            motto = "same words, same hash: ${nonce}";
            outputHashMode = "flat";
            outputHashAlgo = "sha256";
            outputHash = builtins.hashString "sha256" "same words, same hash: ${nonce}\n";
          };
          greeting = step system "greeting" ''
            printf '%s %s\n' "$words" "$nonce" > "$out"
          '' {
            inherit nonce;
            # The content, not the path: the path names the whole tree, and a file that a build leaves
            # in it would change every derivation.
            words = builtins.replaceStrings [ "\n" ] [ "" ] (builtins.readFile "${words}/greeting");
          };
          # Names both of its inputs, so the path has references to vouch for.
          report = step system "report" ''
            read -r first < "$greeting"
            read -r second < "$motto"
            printf '%s\n%s\nfrom %s and %s\n' "$first" "$second" "$greeting" "$motto" > "$out"
          '' { inherit greeting motto; };
          # What leaves the builder: complete by itself, no reference at all.
          artifact = step system "artifact" ''
            read -r first < "$report"
            printf '%s\n' "$first" > "$out"
          '' { inherit report; };
        in
        {
          inherit
            motto
            greeting
            report
            artifact
            ;
          default = report;
        };
    in
    {
      packages = builtins.listToAttrs (
        map
          (system: {
            name = system;
            value = packagesFor system;
          })
          [
            "x86_64-linux"
            "aarch64-linux"
          ]
      );
    };
}
