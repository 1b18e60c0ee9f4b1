model = dict(type='GrabCutSegmentor', arch=None, checkpoint=None)
