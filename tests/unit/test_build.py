"""setup.py: a file's flags on each platform, what CFLAGS cannot change, the message without a compiler."""

import json
import os
import platform
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import types
from pathlib import Path

import pytest

from interpreters import interpret_script

setuptools = pytest.importorskip("setuptools")
pytest.importorskip("Cython")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
if not (ROOT / "setup.py").exists():
    pytest.skip("setup.py is not beside the tests", allow_module_level=True)

CUT = "export/c/sources/cut.py"  # what cuts the functions of exported C out of the headers
BUILDING = "numpy", "setuptools.command.build_ext", "Cython.Build", "Cython.Compiler.Main"

WIDER = {
    "isa_baseline_f32.c": {"__AVX__", "__AVX2__", "__FMA__", "__AVX512F__", "__SSE3__"},
    "plan.c": {"__AVX__", "__AVX2__", "__FMA__", "__AVX512F__", "__SSE3__"},
    "isa_avx2_f32.c": {"__AVX512F__", "__AVX512BW__", "__AVXVNNI__"},
    "isa_avx512_f32.c": {"__AVX512VNNI__", "__AVX512BF16__", "__AMX_TILE__"},
    "isa_vnni_f32.c": {"__AVX512BF16__", "__AMX_TILE__"},
    "isa_amx_f32.c": {"__AVX512IFMA__", "__AVX512FP16__"},
}
OWN = {
    "isa_baseline_f32.c": {"__SSE2__"},
    "plan.c": {"__SSE2__"},
    "isa_avx2_f32.c": {"__AVX2__", "__FMA__"},
    "isa_avx512_f32.c": {"__AVX512F__", "__AVX512DQ__", "__AVX512VL__", "__AVX512BW__", "__FMA__"},
    "isa_vnni_f32.c": {"__AVX512BW__", "__FMA__", "__AVX512VNNI__"},
    "isa_amx_f32.c": {
        "__AVX512BW__",
        "__FMA__",
        "__AVX512BF16__",
        "__AVX512VNNI__",
        "__AMX_TILE__",
        "__AMX_BF16__",
        "__AMX_INT8__",
    },  # fmt: skip
}


@pytest.fixture
def build(monkeypatch):
    """setup.py's names, without running setup()."""
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    monkeypatch.chdir(ROOT)
    return runpy.run_path("setup.py")


def test_flags_of_each_platform(build):
    flags = build["target_flags"]
    assert "-mavx2" in flags("csrc/isa_avx2_f32.c", "linux-x86_64")
    assert flags("csrc/isa_avx2_f32.c", "win-amd64") == flags("csrc/isa_avx2_f32.c", "linux-x86_64")
    assert "-mno-avx" in flags("csrc/plan/plan.c", "linux-x86_64")
    for file in ("isa_baseline_f32.c", "isa_avx2_f32.c", "isa_avx512_f32.c"):
        assert flags(file, "linux-aarch64") == flags(file, "win-arm64") == []
    universal = flags("isa_avx512_f32.c", "macosx-11.0-universal2")
    assert universal[0::2] == ["-Xarch_x86_64"] * (len(universal) // 2)
    assert universal[1::2] == flags("isa_avx512_f32.c", "linux-x86_64")


@pytest.mark.parametrize("file", sorted(WIDER))
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_callers_flags_cannot_widen_a_file_or_loosen_its_arithmetic(build, compiler, file):
    if shutil.which(compiler) is None or platform.machine() != "x86_64":
        pytest.skip(f"needs {compiler} on x86-64")
    ours = [*build["FLAGS"], *build["target_flags"](file, "linux-x86_64")]

    def macros(*flags):
        command = [compiler, *flags, "-dM", "-E", "-x", "c", os.devnull]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        output = re.sub("__AMX(TILE|BF16|INT8)__", r"__AMX_\1__", output)  # as older clang has it
        return dict(re.findall(r"#define (\w+) (.*)", output))

    callers = ["-Ofast", "-ffast-math", "-march=sapphirerapids"]
    loose = macros(*callers)
    assert "__FAST_MATH__" in loose and loose["__FINITE_MATH_ONLY__"] == "1" and WIDER[file] <= set(loose)
    got = macros(*callers, *ours)
    assert "__FAST_MATH__" not in got and got["__FINITE_MATH_ONLY__"] == "0"
    assert OWN[file] <= set(got) and not WIDER[file] & set(got)


RECORDER = """#!/bin/sh
line=$(printf '%s\\037' "$@")
printf '%s\\n' "$line" >> {log}
while [ $# -gt 0 ]; do [ "$1" = -o ] && : > "$2"; shift; done
true
"""


@pytest.fixture
def tree(tmp_path):
    """A copy of what setup.py builds from, with a compiler that only writes down what it is told.

    The compiled module is a stub that includes a file, since Cython takes long over the real one, and no
    functions are cut.  The call that builds takes more options and environment and returns the compiler's
    commands.
    """
    ignored = shutil.ignore_patterns("*.so", "*.json", "__pycache__")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tmp_path)
    package = tmp_path / "src" / "fastmlp"
    (package / "_kernels.pyx").write_text('include "_functions.pxi"\n')
    (package / "_functions.pxi").write_text("one = 1\n")
    (package / CUT).write_text("variants = lambda package: {}\n")
    compiler, log = tmp_path / "recorder", tmp_path / "log"
    compiler.write_text(RECORDER.format(log=shlex.quote(str(log))))
    compiler.chmod(0o755)

    def built(*options, **environment):
        log.write_text("")
        arguments = ["build_ext", "--build-temp=objects", *options]
        environment = {**os.environ, "CC": str(compiler), "FASTMLP_WERROR": "0", **environment}
        result = interpret_script(
            "setup.py", *arguments, cwd=tmp_path, environment=environment, imported=BUILDING
        )
        assert result.returncode == 0, result.stderr
        return [line.split("\037")[:-1] for line in log.read_text().split("\n")[:-1]]

    return built


def compiled(commands):
    """The commands that compile, by the file's name."""
    return {Path(words[words.index("-c") + 1]).name: words for words in commands if "-c" in words}


needs_a_script = pytest.mark.skipif(os.name != "posix", reason="needs a script as the compiler")


@needs_a_script
def test_every_file_is_compiled_with_our_flags_last(build, tree):
    callers = ["-Ofast", "-ffast-math", "-march=native", "-ffp-contract=fast"]
    commands = tree("--build-lib=built", CFLAGS=" ".join(callers))
    files = compiled(commands)
    assert set(files) == {path.name for path in (ROOT / "src/fastmlp/csrc").rglob("*.c")} | {"_kernels.c"}
    for name, words in files.items():
        assert set(callers) <= set(words)  # they are respected where they do no harm
        ours = [*build["FLAGS"], *build["target_flags"](name, sysconfig.get_platform())]
        last = max(len(words) - 1 - words[::-1].index(flag) for flag in callers)
        assert [word for word in words[last + 1 :] if word in ours] == ours, name
        assert words[-1] == "-g0"
    [linked] = [words for words in commands if "-shared" in words or "-bundle" in words]
    assert len([word for word in linked if word.endswith(".o")]) == len(files)
    assert not build["PROCESS_WIDE"] & set(linked)  # they would switch denormals off in the whole process


@needs_a_script
@pytest.mark.parametrize(("option", "place"), [("--build-lib=built", "built"), ("--inplace", "src")])
def test_the_functions_of_exported_c_are_cut_beside_the_module(tree, tmp_path, option, place):
    shutil.copy2(ROOT / "src" / "fastmlp" / CUT, tmp_path / "src" / "fastmlp" / CUT)
    assert tree(option)
    [module] = [path for path in (tmp_path / place / "fastmlp").iterdir() if path.suffix in (".so", ".pyd")]
    made = module.parent / "export" / "c" / "functions.json"
    assert list(tmp_path.rglob("functions.json")) == [made]
    exponential = json.loads(made.read_text("utf-8"))["float64"]["vexp"]
    assert exponential["text"].startswith("static inline double @_exp(double x)")


def touch(path, root):
    """Newer than everything under root, which becomes older, on file systems with coarse times too.

    What was made stays newer than NumPy's headers, which may have been installed a minute ago.
    """
    now = time.time()
    for file in root.rglob("*.*"):
        age = 4 if file.suffix in (".o", ".so") else 8 if "objects" in file.parts else 200
        os.utime(file, (now - age, now - age))
    os.utime(path, (now, now))


@needs_a_script
def test_a_file_is_compiled_again_when_something_in_it_changed(tree, tmp_path):
    def rebuilt():
        return set(compiled(tree("--inplace")))

    package = tmp_path / "src" / "fastmlp"
    kernels = {path.name for path in (package / "csrc" / "kernels").glob("isa_*.c")}
    assert kernels < rebuilt()
    touch(tmp_path / "README.md", tmp_path)  # what was made within one tick of the clock counts as older
    assert rebuilt() == set()
    touch(package / "network.py", tmp_path)
    assert rebuilt() == set()
    touch(package / "csrc" / "kernels" / "vec.h", tmp_path)  # included by what the kernels include
    assert rebuilt() == kernels
    touch(package / "csrc" / "pool.c", tmp_path)
    assert rebuilt() == {"pool.c"}
    (package / "_functions.pxi").write_text("one = 2\n")
    touch(package / "_functions.pxi", tmp_path)
    assert rebuilt() == {"_kernels.c"}
    (tmp_path / "setup.py").write_text((tmp_path / "setup.py").read_text() + "\n")  # flags, maybe
    assert kernels < rebuilt()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, which lists what a file includes")
def test_what_a_file_includes_is_what_the_compiler_finds(build):
    """Conditions are not read: a file of layers/ includes the same for all who include it, one of kernels/
    for each type and instruction set."""
    listed, more = {}, {}
    for source in map(str, Path("src/fastmlp/csrc").rglob("*.c")):
        folders = [f"-I{build['CSRC']}", f"-I{build['INCLUDE']}"]
        flags = build["target_flags"](source, sysconfig.get_platform())
        command = ["gcc", "-MM", *folders, *flags, source]
        rule = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        listed[source] = {os.path.normpath(path) for path in rule.replace("\\\n", " ").split()[1:]}
        found = build["with_includes"](source)
        assert listed[source] <= found
        more[source] = found - listed[source]
    assert set().union(*more.values()) <= set().union(*listed.values())
    for source, paths in more.items():
        own = "/kernels/" if Path(source).name.startswith("isa_") else "/layers/"
        assert all("/layers/" in path or own in path for path in paths)


def test_an_editable_build_keeps_its_objects(build):
    builder = build["BuildKernels"](setuptools.Distribution())
    builder.initialize_options()
    builder.build_lib, builder.build_temp, builder.editable_mode = "lib", "/tmp/deleted", True
    builder.ensure_finalized()
    assert builder.build_temp.startswith("build" + os.sep)


def test_the_stack_of_windows(build):
    """gcc moves vectors to it as if it were aligned; clang aligns it."""
    builder = build["BuildKernels"](setuptools.Distribution())
    builder.plat_name = "mingw_x86_64_ucrt_gnu"
    for compiler, flags in (("x86_64-w64-mingw32-gcc", set(build["WINDOWS_GCC"])), ("clang", set())):
        builder.compiler = types.SimpleNamespace(compiler_type="mingw32", compiler_so=[compiler])
        for source in ("plan/plan.c", "kernels/isa_avx2_f32.c"):
            found = builder.flags(f"{build['CSRC']}/{source}")
            assert {word for word in found if word.startswith("-Wa,")} == flags
            assert "-march=x86-64" in found


def test_the_flags_hold_the_contract(build):
    for flag in ("-ffp-contract=off", "-fno-fast-math", "-O3"):
        assert flag in build["FLAGS"]
    sources = (ROOT / "src/fastmlp/csrc/kernels").glob("isa_*.c")
    isas = {path.name.split("_")[1] for path in sources}
    assert set(build["X86_FLAGS"]) == isas - {"baseline"}  # every instruction set has its line


def test_the_drivers_script_has_the_same_flags(build):
    script = (ROOT / "tests" / "c" / "build.sh").read_text()
    for flags in (build["FLAGS"], build["X86_BASELINE"], build["WINDOWS_GCC"]):
        assert " ".join(flags) in script
    found = {}
    for name, flags in re.findall(r'^    (\w+)="(.*)"$', script, re.MULTILINE):
        found[name] = re.sub(r"\$(\w+)", lambda other: found[other[1]], flags)
    for isa, flags in build["X86_FLAGS"].items():
        assert found[isa] == " ".join(flags)


def test_without_a_compiler_the_message_says_what_to_install(tmp_path):
    command = [sys.executable, "setup.py", "build_ext", f"--build-temp={tmp_path}", f"--build-lib={tmp_path}"]
    environment = {**os.environ, "CC": "no-such-compiler"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode != 0
    assert "no C compiler ('no-such-compiler' is not on the PATH)" in result.stderr
    for words in ("apt-get install gcc", "dnf install gcc", "xcode-select --install", "clang-cl"):
        assert words in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("kind", "problem"),
    [("unix", "no C compiler ('cc' is not on the PATH)"), ("unix", "no Python.h"), ("msvc", "no clang-cl")],
)
def test_what_is_missing_is_said_first(build, monkeypatch, tmp_path, kind, problem):
    builder = build["BuildKernels"](setuptools.Distribution())
    builder.compiler = types.SimpleNamespace(compiler_type=kind, compiler_so=["cc"])
    builder.include_dirs = []
    found = "/usr/bin/cc" if problem == "no Python.h" else None
    monkeypatch.setattr(shutil, "which", lambda name: found)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(build["PlatformError"]) as caught:
        builder.check_compiler()
    message = str(caught.value)
    assert message.startswith(
        f"fastmlp is built from C and found {problem}.  Install a C compiler and Python's headers"
    )
    (tmp_path / "Python.h").touch()
    if kind == "unix":
        monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/cc")
        builder.check_compiler()  # with both it goes on


def test_warnings_are_errors_on_request(build, monkeypatch):
    builder = build["BuildKernels"](setuptools.Distribution())
    builder.compiler, builder.plat_name = types.SimpleNamespace(compiler_type="unix"), "linux-x86_64"
    source = build["CSRC"] + "/plan/plan.c"
    monkeypatch.delenv("FASTMLP_WERROR", raising=False)
    assert "-Werror" not in builder.flags(source)
    monkeypatch.setenv("FASTMLP_WERROR", "1")
    assert {"-Wall", "-Wextra", "-Werror"} <= set(builder.flags(source))
    assert not set(build["CYTHON_WARNINGS"]) & set(builder.flags(source))
    builder.compiler.compiler_type = "msvc"
    assert all(flag.startswith("/clang:-") for flag in builder.flags(source))


@pytest.mark.parametrize("known", [False, True])
def test_addresses_are_those_of_the_repository_whose_workflow_builds(tmp_path, known):
    of_github = {"SERVER_URL": "https://forge.example", "REPOSITORY": "some/where", "REF_NAME": "v1.0"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    if known:
        environment |= {f"GITHUB_{name}": value for name, value in of_github.items()}
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True)
    text = (tmp_path / "fastmlp.egg-info/PKG-INFO").read_text("utf-8")
    about, _, description = text.partition("\n\n")
    links = re.findall(r"\]\(([^)\s]+)\)", description)
    assert "Description-Content-Type: text/markdown" in about and len(links) > 20
    pages = "https://forge.example/some/where/blob/v1.0"
    assert ("Project-URL: Source, https://forge.example/some/where\n" in about + "\n") == known
    assert about.count("Project-URL") == (4 if known else 0)
    for link in links:
        if known:
            assert link.startswith(("https://", "#")), link
        target = link.removeprefix(f"{pages}/").partition("#")[0]
        assert link.startswith(("https://forge.example", "#")) == known or "://" in link, link
        assert "://" in target or (ROOT / target).exists(), link
