"""How the compiled module is built: one flag list per instruction set.

Metadata stands in pyproject.toml, but for addresses, which follow from the repository whose workflow builds.
"""

import json
import os
import re
import runpy
import shutil
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, PlatformError

CSRC = "src/fastmlp/csrc"
INCLUDE = "src/fastmlp/include"

# The numeric contract (docs/design.md): no contraction, no reassociation, on every file, Cython's too.  They
# stand after the caller's CFLAGS and so win over an -Ofast or -ffast-math in them.
FLAGS = ["-std=gnu11", "-O3", "-fno-fast-math", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"]

# With one of these in CFLAGS, gcc links start-up code that makes the whole process flush denormals to zero.
PROCESS_WIDE = {"-Ofast", "-ffast-math", "-funsafe-math-optimizations"}

# Flags of each instruction set's files on x86-64, isa_<name>_<type>.c; every other file runs anywhere.  Each
# list begins from the architecture's first processor, so that a -march=native in CFLAGS cannot put wider
# instructions into a file.  On other architectures the files of foreign instruction sets are empty, and the
# baseline needs no flag.
# gcc moves eight bytes through MMX registers, which are those of long double, and does not free them.
X86_BASELINE = ["-march=x86-64", "-mno-avx", "-mno-mmx"]
X86_FLAGS = {
    "avx2": ["-march=x86-64", "-mno-avx512f", "-mavx2", "-mfma", "-mno-mmx"],
    "avx512": ["-march=x86-64", "-mfma", "-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw",
               "-mprefer-vector-width=512", "-mno-mmx"],
}  # fmt: skip
X86_FLAGS["vnni"] = [*X86_FLAGS["avx512"], "-mavx512vnni"]
X86_FLAGS["bf16"] = [*X86_FLAGS["vnni"], "-mavx512bf16"]
X86_FLAGS["amx"] = [*X86_FLAGS["bf16"], "-mamx-tile", "-mamx-bf16", "-mamx-int8"]

# The stack of 64-bit Windows is aligned to 16 bytes, and gcc, not clang, takes it to be aligned for vectors.
WINDOWS_GCC = ["-Wa,-muse-unaligned-vector-move"]

# Cython's file: callbacks of fixed signature leave parameters unused, and type slots are set by position.
CYTHON_WARNINGS = ["-Wno-unused-parameter", "-Wno-missing-field-initializers"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "freethreading_compatible": True,
}

# What `Network.export_c` takes its functions from, in the package's folder.
EXPORTED = "export/c/functions.json"

INSTALL_HINT = """\
fastmlp is built from C and found {problem}.  Install a C compiler and Python's headers:
  Debian, Ubuntu   apt-get install gcc python3-dev
  Fedora, RHEL     dnf install gcc python3-devel
  Alpine           apk add gcc musl-dev python3-dev
  macOS            xcode-select --install
  Windows          Visual Studio Build Tools with "Desktop development with C++" and "C++ Clang tools for
                   Windows"; clang-cl must be on the PATH, because Microsoft's own compiler lacks the GNU
                   vector types that the kernels are written in."""


def target_flags(source: str, plat_name: str) -> list[str]:
    """The instruction-set flags of one C file for the platform that is built for."""
    isa = Path(source).name.removeprefix("isa_").split("_")[0]
    flags = X86_FLAGS.get(isa, X86_BASELINE)
    if plat_name.startswith("macosx"):  # one command may compile for both architectures
        return [word for flag in flags for word in ("-Xarch_x86_64", flag)]
    return flags if "x86_64" in plat_name or "amd64" in plat_name else []


def with_includes(source: str) -> set[str]:
    """A C file and all files of the project that it includes, at any depth."""
    found, waiting = set(), [source]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        text = Path(path).read_text(encoding="utf-8")
        for name in re.findall(r'^[ \t]*#[ \t]*include[ \t]+"(.+?)"', text, re.M):
            places = [os.path.join(folder, name) for folder in (os.path.dirname(path), CSRC, INCLUDE)]
            waiting += [os.path.normpath(place) for place in places if os.path.exists(place)][:1]
    return found


def write_exported(path: Path) -> None:
    """Cut the functions of exported C out of the engine's headers."""
    package = Path("src/fastmlp")
    variants = runpy.run_path(str(package / "export/c/sources/cut.py"))["variants"](package)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(variants, indent=1) + "\n", encoding="utf-8")


class BuildKernels(build_ext):
    """Compiles each C file with its own flags, several at a time, unless its object is newer.

    Beside the compiled module it makes the texts that exported C is put together of.
    """

    def run(self) -> None:
        super().run()
        package = Path(self.get_ext_fullpath("fastmlp._kernels")).parent
        write_exported(package / EXPORTED)

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.editable_mode:  # its objects would go to a folder that is deleted
            self.build_temp = os.path.join("build", f"temp.{self.plat_name}-{sys.implementation.cache_tag}")

    def build_extension(self, ext: Extension) -> None:
        from Cython.Build import cythonize
        from numpy import get_include

        self.check_compiler()
        self.include_dirs = [*self.include_dirs, CSRC, INCLUDE, get_include()]
        self.discard_stale_objects()
        [cythonized] = cythonize(
            [ext], compiler_directives=DIRECTIVES, force=self.force, build_dir=self.build_temp, quiet=True
        )
        sources = [*cythonized.sources, *sorted(map(str, Path(CSRC).rglob("*.c")))]
        with ThreadPoolExecutor(self.parallel or os.cpu_count() or 1) as pool:
            ext.extra_objects = list(pool.map(self.compile_c, sources))
        if linker := getattr(self.compiler, "linker_so", None):
            self.compiler.linker_so = [word for word in linker if word not in PROCESS_WIDE]
        ext.depends = ext.extra_objects
        ext.sources = []
        super().build_extension(ext)

    def check_compiler(self) -> None:
        """Fail early, and say what to install."""
        if self.compiler.compiler_type == "msvc":
            clang = shutil.which("clang-cl")
            if clang is None:
                raise PlatformError(INSTALL_HINT.format(problem="no clang-cl"))
            try:
                self.compiler.initialize(self.plat_name)
            except PlatformError as error:
                raise PlatformError(INSTALL_HINT.format(problem="no Visual Studio Build Tools")) from error
            self.compiler.cc = clang
            return
        command = self.compiler.compiler_so[0]
        if shutil.which(command) is None:
            problem = f"no C compiler ({command!r} is not on the PATH)"
            raise PlatformError(INSTALL_HINT.format(problem=problem))
        folders = [sysconfig.get_path("include"), *self.include_dirs]
        if not any(Path(folder, "Python.h").exists() for folder in folders):
            raise PlatformError(INSTALL_HINT.format(problem="no Python.h"))

    def flags(self, source: str) -> list[str]:
        generated = not source.startswith(CSRC)
        flags = FLAGS + target_flags(source, self.plat_name)
        if self.compiler.compiler_type == "mingw32" and "clang" not in self.compiler.compiler_so[0]:
            flags = [*flags, *WINDOWS_GCC]
        if not self.debug:
            flags = [*flags, "-g0"]  # Python's own -g would make the wheel several times larger
        if os.environ.get("FASTMLP_WERROR") == "1":
            flags = [*flags, "-Wall", "-Wextra", "-Werror", *(CYTHON_WARNINGS if generated else [])]
        if self.compiler.compiler_type == "msvc":
            return [f"/clang:{flag}" for flag in flags]
        return flags

    def discard_stale_objects(self) -> None:
        """Objects of another compiler or of other flags are as stale as those of an older source."""
        import Cython
        import numpy

        command = getattr(self.compiler, "compiler_so", None) or [self.compiler.cc]
        stamp = Path(self.build_temp, "flags.txt")
        versions = [sys.version, Cython.__version__, numpy.__version__]
        text = "\n".join([*command, *self.flags("generated"), *versions, Path("setup.py").read_text("utf-8")])
        if not stamp.exists() or stamp.read_text("utf-8") != text:
            shutil.rmtree(self.build_temp, ignore_errors=True)
            stamp.parent.mkdir(parents=True)
            stamp.write_text(text, "utf-8")

    def compile_c(self, source: str) -> str:
        """The object file of one C source, compiled unless it is newer than all that it includes."""
        [target] = self.compiler.object_filenames([source], output_dir=self.build_temp)
        if not self.force and os.path.exists(target):
            built = os.path.getmtime(target)
            if all(os.path.getmtime(path) < built for path in with_includes(source)):
                return str(target)
        try:
            self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                include_dirs=self.include_dirs,
                macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
                debug=self.debug,
                extra_postargs=self.flags(source),
            )
        except CompileError as error:
            raise CompileError(f"{source}: {error}") from error
        return str(target)


def readme(pages: str | None) -> str:
    """The description, whose links to files of the project are addresses where these are known."""
    text = Path("README.md").read_text(encoding="utf-8")
    return text if pages is None else re.sub(r"\]\((?!\w+:|#)", f"]({pages}/", text)


def project_urls(repository: str | None, pages: str | None) -> dict[str, str]:
    """By the labels that indexes know."""
    if repository is None:
        return {}
    return {
        "Source": repository,
        "Documentation": f"{pages}/README.md",
        "Changelog": f"{pages}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def addresses() -> tuple[str | None, str | None]:
    """Of the repository whose workflow builds, and of its files as they are built."""
    known = [os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "REF_NAME")]
    if not all(known):
        return None, None
    server, name, ref = known
    return f"{server}/{name}", f"{server}/{name}/blob/{ref}"


setup(
    ext_modules=[Extension("fastmlp._kernels", ["src/fastmlp/_kernels.pyx"], language="c")],
    cmdclass={"build_ext": BuildKernels},
    long_description=readme(addresses()[1]),
    long_description_content_type="text/markdown",
    project_urls=project_urls(*addresses()),
)
