"""What mmengine calls so: hooks, loops, and checks of a run's config."""
