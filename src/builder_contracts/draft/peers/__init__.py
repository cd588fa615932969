"""Converters of other tools' test files; docs/peers.yaml has the reasons for what they leave out."""
