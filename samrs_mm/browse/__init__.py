"""Sheets of pictures of datasets, before and after annotation."""
