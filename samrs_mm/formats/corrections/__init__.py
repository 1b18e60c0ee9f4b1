"""What people decided about masks: a second source of labels, beside the machine's."""
