"""Drawn crops as datasets of mmengine's Runner."""
