model = dict(type='BoxFillSegmentor', arch=None, checkpoint=None)
