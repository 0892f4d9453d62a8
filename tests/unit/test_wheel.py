"""What an installed wheel holds.  FASTMLP_REQUIRE_WHEEL=1 makes a run on anything else fail."""

import importlib.metadata
import os
from pathlib import Path

import pytest

import fastmlp
from fastmlp import _kernels

SOURCES = (".c", ".h", ".inc", ".def", ".pyx", ".pxd", ".pxi")
EMBEDDING = {"__init__.pxd", "include/fastmlp_native.h", "include/fastmlp_python.h"}


@pytest.fixture(scope="module")
def files():
    """The installed files, as the wheel's record names them."""
    found = {path.as_posix(): path for path in importlib.metadata.files("fastmlp") or []}
    if not any(name.startswith("fastmlp/_kernels.") and name.endswith((".so", ".pyd")) for name in found):
        if os.environ.get("FASTMLP_REQUIRE_WHEEL") == "1":
            pytest.fail("fastmlp is not installed from a wheel")
        pytest.skip("fastmlp is not installed from a wheel")
    return found


def test_the_tests_run_on_the_wheel(files):
    [module] = [path for name, path in files.items() if name == f"fastmlp/{Path(_kernels.__file__).name}"]
    assert Path(_kernels.__file__).samefile(module.locate())
    assert Path(fastmlp.__file__).parent == Path(_kernels.__file__).parent


def test_it_has_types_and_no_sources_but_what_users_compile(files):
    exported = {"fastmlp/export/c/functions.json", "fastmlp/export/kernels.js"}
    assert {"fastmlp/py.typed", "fastmlp/_kernels.pyi", *exported} <= set(files)
    sources = {name for name in files if name.endswith(SOURCES)}
    assert sources == {f"fastmlp/{name}" for name in EMBEDDING}


def test_it_has_one_package_and_is_small(files):
    folders = {name.split("/")[0] for name in files if not name.startswith("..")}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"fastmlp"}
    assert sum(path.size or 0 for path in files.values()) < 10_000_000
