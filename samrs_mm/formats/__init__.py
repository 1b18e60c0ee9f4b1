"""Files in and out: label files, scenes with label maps, annotated folders, exports.

Nothing here imports torch or an OpenMMLab package, so a label parser or a record reader can be
used by itself.
"""
