"""What runs the work: the annotation driver, loops, hooks and optimizer constructors."""
