"""How weights are named elsewhere: a module for each backbone of ours, and the authors' models."""
