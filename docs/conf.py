"""The site: ``python -m sphinx -W --keep-going -b html docs build/site`` with the group "docs" installed."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path

import fastmlp

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import public_names  # noqa: E402

os.environ.setdefault("MPLBACKEND", "Agg")
warnings.filterwarnings("ignore", message=".*Maximum iterations.*")

project = "fastmlp"
author = copyright = "the fastmlp authors"
release = version = fastmlp.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["learn/*.rst", "ko/learn/*.rst", "gallery/*.rst"]
exclude_patterns += ["sg_execution_times.rst", "**/sg_execution_times.rst"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
# Labels in docstrings that scikit-learn brings; and a translation has the file name of its lesson.
suppress_warnings = ["config.cache", "ref.ref", "sphinx_gallery.duplicate_filename"]

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_context = {"members_for_users": public_names.members}
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
templates_path = ["_templates"]

sphinx_gallery_conf = {
    "examples_dirs": ["learn", "ko/learn", "gallery"],
    "gallery_dirs": ["auto_learn", "ko/auto_learn", "auto_gallery"],
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": True,
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 1e9,
    "abort_on_example_error": True,
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "fastmlp"
html_static_path = ["_static"]
html_css_files = ["site.css", "learn.css"]
html_js_files = ["learn.js"]
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "article_header_end": ["other-language"],
    "navigation_with_keys": False,
    "pygments_light_style": "tango",
}


def _site_links(app, docname, source):
    """Links of the repository become links of the site: the README's to docs/, the guides' to other files."""
    text = re.sub(r"\]\(docs/([\w-]+)\.md", r"](\1.md", source[0])
    source[0] = re.sub(r"\[([^\]]*)\]\((?:\.\./)?(?:examples|src|tests|benchmarks)(?:/[^)]*)?\)", r"\1", text)


def _languages(app, page, template, context, doctree):
    """A page of Learn names its translation; a translated one its own language."""
    if page.startswith("ko/"):
        context.update(language="ko", other_language=(page.removeprefix("ko/"), "en", "English"))
    elif page.startswith("auto_learn/"):
        context["other_language"] = (f"ko/{page}", "ko", "한국어")


def _sources_alone(app):
    """The list of sources names no compiled module: it has no page there."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, source in modules.items() if not source]:
        del modules[name]
    return []


def setup(app):
    public_names.write(DOCS / "reference")
    app.connect("source-read", _site_links)
    app.connect("html-page-context", _languages)
    app.connect("html-collect-pages", _sources_alone, priority=400)  # before viewcode's own
