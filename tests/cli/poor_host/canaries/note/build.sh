mkdir -p out && cat nonce >out/note
