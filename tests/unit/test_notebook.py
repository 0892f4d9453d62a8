"""What notebooks show: tables of networks and histories, a line of each fit, data frames."""

import subprocess
import sys
import xml.etree.ElementTree as xml
from types import SimpleNamespace

import numpy as np
import pytest

from fastmlp import Network, Standardize, notebook

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
    code = [
        "import numpy as np, fastmlp\nfrom fastmlp import plots\n"
        "net = fastmlp.Network([2, 4, 1], output='sigmoid', seed=0)\nnet",
        "net.compile('adam')\nhistory = net.fit(np.ones((6, 2)), np.ones(6), epochs=3)\nhistory",
        "plots.plot_history(history)",
    ]
    book = format.v4.new_notebook(cells=[format.v4.new_code_cell(cell) for cell in code])
    client.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    network, fit, picture = (cell["outputs"] for cell in book["cells"])
    assert "<table>" in network[0]["data"]["text/html"]
    assert fit[0]["text"].startswith("epoch 3/3") and "<svg" in fit[1]["data"]["text/html"]
    assert any("image/png" in output.get("data", {}) for output in picture)


def test_importing_does_not_bring_ipython():
    code = "import sys, fastmlp; fastmlp.notebook.runs(); print('IPython' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
