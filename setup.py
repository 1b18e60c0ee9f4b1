"""Package metadata, and the `.mim` folder by which OpenMMLab's `mim` finds configs and tools."""

import os
import runpy
import shutil
import tempfile
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

ROOT = Path(__file__).resolve().parent
MIM_PARTS = ('configs', 'tools', 'model-index.yml')


def link_mim_parts():
    """Put relative links into `samrs_mm/.mim`, where an editable install is read from.

    Where no link can be made (Windows wants a right for it) they are copies.
    """
    folder = ROOT / 'samrs_mm' / '.mim'
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        for part in MIM_PARTS:
            is_folder = (ROOT / part).is_dir()
            (folder / part).symlink_to(os.path.join('..', '..', part), is_folder)
    except OSError as error:
        print(f'{folder}: no links ({error.strerror}), so copies: install again after a change')
        copy_mim_parts(folder)


def copy_mim_parts(folder):
    """Copy the parts into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in MIM_PARTS:
        source = ROOT / part
        if source.is_dir():
            junk = shutil.ignore_patterns('__pycache__', '*.pyc', '.*')
            shutil.copytree(source, folder / part, ignore=junk, dirs_exist_ok=True)
        else:
            shutil.copy2(source, folder / part)


class BuildWithMim(build_py):
    """Copy the parts straight into the build folder: no copy stays behind in the checkout."""

    def run(self):
        """Build the package, then add the parts."""
        super().run()
        if self.editable_mode:
            link_mim_parts()
        else:
            copy_mim_parts(Path(self.build_lib) / 'samrs_mm' / '.mim')


class DevelopWithMim(develop):
    """The legacy editable install: the only one whose packages `mim list` shows."""

    def run(self):
        """Add the links, then install."""
        link_mim_parts()
        super().run()


def requirements(name):
    """Read one list; comments are dropped, pip would take them but metadata does not."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in map(str.strip, lines) if line and not line.startswith('#')]


with tempfile.TemporaryDirectory() as scratch:
    setup(
        name='samrs_mm',
        version=runpy.run_path(str(ROOT / 'samrs_mm' / 'version.py'))['__version__'],
        description='Segmentation datasets from detection boxes, and pre-training on them',
        long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
        long_description_content_type='text/markdown',
        author='samrs_mm contributors',
        license='Apache-2.0',
        keywords='remote sensing, segmentation, segment anything, pre-training, OpenMMLab',
        classifiers=[
            'Development Status :: 3 - Alpha',
            'Operating System :: POSIX :: Linux',
            *(f'Programming Language :: Python :: 3.{minor}' for minor in range(10, 14)),
            'Topic :: Scientific/Engineering :: Image Recognition',
        ],
        packages=find_packages(include=['samrs_mm', 'samrs_mm.*']),
        include_package_data=True,
        python_requires='>=3.10,<3.14',
        install_requires=requirements('runtime'),
        # Both sets lie in the same folders (mmcv/, mmengine/ ...): the user says which one.
        extras_require={
            'onedl': requirements('onedl'),
            'onedl-all': requirements('onedl') + requirements('onedl-all'),
            'openmmlab': requirements('openmmlab'),
            'openmmlab-all': requirements('openmmlab') + requirements('openmmlab-all'),
            'onnx': requirements('onnx'),
            'ray': requirements('ray'),
            'review': requirements('review'),
            'sam-family': requirements('sam-family'),
            'tests': requirements('tests'),
        },
        cmdclass={'build_py': BuildWithMim, 'develop': DevelopWithMim},
        options={
            # `pip install .` would leave build/ behind, and a later wheel take its stale files.
            'build': {'build_base': scratch},
            # A plain path: in the folder that holds a clone named samrs_mm, Python would take that
            # clone for the package before it asks the finder, which is the other way.
            'editable_wheel': {'mode': 'compat'},
        },
        entry_points={'console_scripts': ['samrs-mm = samrs_mm.command:main']},
        zip_safe=False,
    )
