"""The paper's tables, and how results are laid out beside them."""
