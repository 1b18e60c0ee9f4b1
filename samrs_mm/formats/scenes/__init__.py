"""Scenes with label maps: Potsdam and iSAID as they are published."""
