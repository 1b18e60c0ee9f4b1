model = dict(type='BoxFillSegmentor')
