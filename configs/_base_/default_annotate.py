default_scope = 'mmseg'
overlap_policy = 'small_on_top'
filters = dict()
