"""How weights are named elsewhere, a module for each family; all facts, no computation."""
