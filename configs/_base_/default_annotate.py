default_scope = 'mmseg'
custom_imports = dict(imports=['samrs_mm.datasets.boxes', 'samrs_mm.models.prompt_segmentors'])
overlap_policy = 'small_on_top'
filters = dict()
