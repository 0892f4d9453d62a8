"""What notebooks show: tables of networks and histories, a line of each fit, data frames."""

import subprocess
import sys
import xml.etree.ElementTree as xml
from types import SimpleNamespace

import numpy as np
import pytest

from fastmlp import Network, Standardize, notebook
from fastmlp.callbacks import EarlyStopping
from fastmlp.training import progress

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2


def fitted(epochs=3, **options):
    net = Network([2, 4, 1], output="sigmoid", seed=0)
    net.compile("adam", metrics=["accuracy"])
    return net, net.fit(X, Y, epochs=epochs, **options)


def rows_of(text):
    tree = xml.fromstring(f"<div>{text.replace('<br>', '<br/>')}</div>")
    return [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]


def test_a_network_is_the_table_of_its_layers():
    net, _ = fitted()
    assert rows_of(net._repr_html_()) == [
        ["layer", "output shape", "parameters"],
        ["input", "(rows, 2)", "0"],
        ["dense, relu", "(rows, 4)", "12"],
        ["dense, sigmoid", "(rows, 1)", "5"],
        ["total", "", "17"],
    ]


def test_a_history_is_a_curve_and_the_numbers_of_each_metric():
    _, history = fitted(validation_data=(X, Y))
    text = history._repr_html_()
    rows = rows_of(text)
    assert rows[0] == ["", "first", "last", "lowest", "highest"]
    assert [row[0] for row in rows[1:]] == ["loss", "accuracy", "val_loss", "val_accuracy"]
    losses = history.history["loss"]
    assert rows[1][1:] == [f"{value:.4g}" for value in (losses[0], losses[-1], min(losses), max(losses))]
    lines = xml.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    assert [len(line.get("points").split()) for line in lines] == [3, 3]
    heights = [float(point.split(",")[1]) for point in lines[0].get("points").split()]
    assert np.array_equal(np.argsort(heights), np.argsort(losses)[::-1]), "a smaller loss stands lower"


@pytest.mark.parametrize("curves", [{}, {"loss": []}])
def test_a_history_of_no_epoch_says_so(curves):
    assert notebook.of_history(curves) == "<b>History</b> of no epoch"


def test_losses_that_are_not_finite_leave_a_gap():
    text = notebook.of_history({"loss": [1.0, float("inf"), 2.0]})
    lines = xml.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    assert len(lines[0].get("points").split()) == 2
    assert "<svg" not in notebook.of_history({"loss": [float("nan"), float("nan")]})


def test_names_are_text_and_not_markup():
    assert "<script>" not in notebook.of_history({"<script>": [1.0, 2.0]})
    assert "<i>" not in notebook.of_layers("<i>", [("<i>", 1, 0)])


def test_a_history_becomes_a_data_frame():
    pandas = pytest.importorskip("pandas")
    _, history = fitted(epochs=2)
    frame = history.to_frame()
    expected = pandas.DataFrame(history.history, index=pandas.Index([1, 2], name="epoch"))
    pandas.testing.assert_frame_equal(frame, expected)


def test_standardize_of_many_columns_is_one_short_line():
    table = np.random.default_rng(0).normal(size=(5, 784))
    words = repr(Network([784, Standardize.adapt(table), 10]))
    assert len(words) < 250 and "784 columns" in words
    assert repr(Standardize((1.0, 2.0), (3.0, 4.0))) == "Standardize(mean=(1.0, 2.0), std=(3.0, 4.0))"


@pytest.fixture
def in_a_notebook(monkeypatch):
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def test_fit_says_one_line_in_a_notebook(in_a_notebook, capsys):
    fitted(epochs=5)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("epoch 5/5  loss ")
    fitted(verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shell", [None, type("TerminalInteractiveShell", (), {})()])
def test_elsewhere_fit_is_silent(monkeypatch, capsys, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    fitted()
    assert capsys.readouterr().out == "" and not notebook.runs()


def test_a_real_kernel_shows_tables_pictures_and_a_line(monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a kernel has its own
    client = pytest.importorskip("nbclient")
    format = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    long_fit = (
        "import time\nX = np.ones((6, 2))\n"
        "rest = fastmlp.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(0.1))\n"
        "_ = net.fit(X, np.ones(6), epochs=15, callbacks=[rest])"
    )
    code = [
        "import numpy as np, fastmlp\nfrom fastmlp import plots\n"
        "net = fastmlp.Network([2, 4, 1], output='sigmoid', seed=0)\nnet",
        "net.compile('adam')\nhistory = net.fit(np.ones((6, 2)), np.ones(6), epochs=3)\nhistory",
        "plots.plot_history(history)",
        long_fit,
    ]
    book = format.v4.new_notebook(cells=[format.v4.new_code_cell(cell) for cell in code])
    client.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    network, fit, picture, long = (cell["outputs"] for cell in book["cells"])
    assert "<table>" in network[0]["data"]["text/html"]
    assert fit[0]["text"].startswith("epoch 3/3") and "<svg" in fit[1]["data"]["text/html"]
    assert any("image/png" in output.get("data", {}) for output in picture)
    (curve,) = (output["data"]["text/html"] for output in long if "text/html" in output.get("data", {}))
    assert curve.startswith("epoch 15/15") and len(curve.split('points="')[1].split('"')[0].split()) == 15


def test_a_long_fit_has_a_curve_that_grows(in_a_notebook, monkeypatch, capsys):
    pictures, now = [], [100.0]
    handle = SimpleNamespace(update=lambda picture: pictures.append(("again", picture)))

    def display(picture, display_id):
        pictures.append(("new", picture))
        return handle

    shell = SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython.display", shell)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # no bar
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    shown = progress.Progress("auto", 100, None)
    for epoch in range(20):  # early stopping ends it
        now[0] += 0.2
        shown.epoch_end(epoch, {"loss": 1.0 / (epoch + 1), "val_loss": 2.0, "accuracy": 0.5})
    shown.close()
    assert [kind for kind, _ in pictures] == ["new", *["again"] * (len(pictures) - 1)]
    points = [text.split('points="')[1].split('"')[0].split() for _, text in pictures]
    counts = [len(each) for each in points]
    assert counts[0] == 5 and counts == sorted(counts) and counts[-1] == 20, "the curve begins with the fit"
    assert 8 <= len(counts) <= 10, "not more often than one can see"
    assert pictures[-1][1].startswith("epoch 20/100  loss 0.0500") and pictures[-1][1].count("<polyline") == 2
    assert capsys.readouterr().out == "", "the picture has the line"


def test_a_short_fit_that_stops_early_says_its_last_epoch(in_a_notebook, capsys):
    fitted(epochs=9, callbacks=[EarlyStopping("accuracy", min_delta=2.0, patience=1)])
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("epoch 2/9  loss ")


def test_a_curve_has_no_more_points_than_pixels():
    text = notebook.of_history({"loss": list(np.linspace(2, 1, 5000))})
    lines = xml.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    points = lines[0].get("points").split()
    assert len(points) == 320 and points[0].startswith("8.0,8") and points[-1] == "312.0,112.0"


def test_importing_does_not_bring_ipython():
    code = "import sys, fastmlp; fastmlp.notebook.runs(); print('IPython' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
