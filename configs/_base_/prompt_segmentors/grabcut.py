model = dict(type='GrabCutSegmentor')
