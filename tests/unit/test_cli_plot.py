"""`fastmlp plot`: the picture that was asked for, of the rows that were given."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import fastmlp  # noqa: E402
from command_line import POINTS, QUADRANT, write_csv  # noqa: E402
from fastmlp import plots  # noqa: E402
from fastmlp.cli.options import PICTURES  # noqa: E402

WORDS = np.array(["no", "yes"])[QUADRANT]


@pytest.fixture
def called(monkeypatch):
    """What each function of `fastmlp.plots` was given: (its name, y)."""
    calls = []

    def watch(name, function):
        def watched(model, X, y, **options):
            calls.append((name, np.asarray(y).tolist()))
            return function(model, X, y, **options)

        monkeypatch.setattr(plots, name, watched)

    for kinds in PICTURES.values():
        for name in kinds.values():
            watch(name, getattr(plots, name))
    return calls


@pytest.mark.parametrize("kind, name", PICTURES["classes"].items())
def test_pictures_of_a_network_of_classes(run, called, tmp_path, kind, name):
    net = fastmlp.Network([2, 4, 2], output="softmax", seed=0)
    net.classes = ("yes", "no")
    net.save(tmp_path / "net.npz")
    np.savez(tmp_path / "a.npz", X=POINTS, y=WORDS)
    assert run("plot", "net.npz", "a.npz", "--kind", kind, "--output", "p.svg") == (
        0,
        "saved      p.svg\n",
        "",
    )
    assert called == [(name, WORDS.tolist())] and "<svg" in (tmp_path / "p.svg").read_text()


def test_pictures_of_tables(run, called, tmp_path):
    for target, name in ((WORDS, "plot_confusion_matrix"), (POINTS[:, 0].round(4), "plot_residuals")):
        write_csv(tmp_path / "t.csv", target.tolist())
        quick = ("--recipe", "fast", "--epochs", 1, "--no-plot", "--quiet", "--threads", 1)
        run("train", "t.csv", "--target", "kind", *quick)
        called.clear()
        assert run("plot", "model.npz", "t.csv", "--quiet") == (0, "", "")
        assert called == [(name, target.tolist())]
        assert (tmp_path / "model.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_mistakes(run, tmp_path):
    fastmlp.Network([2, 1], seed=0).save(tmp_path / "net.npz")
    np.savez(tmp_path / "a.npz", X=POINTS, y=POINTS[:, 0])
    for options, message in (
        (("--kind", "roc"), "--kind is 'roc', expected for MODEL one of residuals"),
        (("--output", "p.txt"), "--output is 'p.txt', expected a name that ends in one of .png, .svg, .pdf"),
        (("--output", "no/p.png"), "'no' is not a folder"),
    ):
        status, out, err = run("plot", "net.npz", "a.npz", *options)
        assert (status, out) == (2, "") and err.count("\n") == 1 and message in err
    assert run("plot", "net.npz", "a.npz")[0] == 0
