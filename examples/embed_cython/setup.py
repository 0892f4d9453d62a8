"""python setup.py build_ext --inplace"""

from Cython.Build import cythonize
from setuptools import Extension, setup

import fastmlp

setup(
    name="spring",
    py_modules=[],
    ext_modules=cythonize(
        # -ffp-contract=off keeps C's rounding Python's: the state has the bits of a loop in Python
        Extension("spring", ["spring.pyx"], include_dirs=[fastmlp.get_include()],
                  extra_compile_args=["-ffp-contract=off"]),
        language_level=3,
    ),
)  # fmt: skip
