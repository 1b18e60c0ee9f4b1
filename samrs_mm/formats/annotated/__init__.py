"""An annotated folder: records, ledger, set-level files."""
