default_scope = 'mmseg'
prompt_style = 'clipped'
overlap_policy = 'small_on_top'
filters = dict()
label_fit = dict(size='check', exif='check')
