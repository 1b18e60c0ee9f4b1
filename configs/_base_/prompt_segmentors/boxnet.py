model = dict(type='BoxNetSegmentor', checkpoint=None)
