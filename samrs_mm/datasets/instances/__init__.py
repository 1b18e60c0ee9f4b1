"""Instances to train detectors on."""
