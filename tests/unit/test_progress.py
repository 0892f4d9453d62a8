"""Progress: lines and bars, with tqdm and without, and silence where nobody looks."""

import io
import sys

import numpy as np
import pytest

from fastmlp import Network
from fastmlp.callbacks import LambdaCallback
from fastmlp.training import progress
from fastmlp.training.progress import Progress, line

LOGS = {"loss": 0.5, "accuracy": 0.25}


class Clock:
    """The time, which only the test moves."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def screen(monkeypatch):
    def make(terminal):
        screen = Screen(terminal)
        monkeypatch.setattr(sys, "stdout", screen)
        return screen

    return make


@pytest.fixture
def no_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)  # importing it raises ImportError


def run(clock, verbose, epochs=3, batches=4, seconds=0.1):
    """A fit whose batches take some seconds each; what it calls."""
    shown = Progress(verbose, epochs, batches)
    for epoch in range(epochs):
        shown.epoch_begin(epoch)
        for batch in range(batches):
            clock.now += seconds
            shown.batches_done(epoch, batch + 1)
        shown.epoch_end(epoch, LOGS)
    shown.close()


def test_a_line_tells_the_epoch():
    assert line(0, 20, LOGS, 1.5) == "epoch 1/20  loss 0.5000  accuracy 0.2500  1.5 s"
    assert line(19, 20, {"loss": 1.25e-7, "mae": 0.0, "mse": -3e-5}, 0.04) == (
        "epoch 20/20  loss 1.250e-07  mae 0.0000  mse -3.000e-05  0.0 s"
    )


@pytest.mark.parametrize(("verbose", "terminal"), [("auto", False), (0, True), (False, True), (0, False)])
def test_silence(clock, screen, verbose, terminal):
    out = screen(terminal)
    run(clock, verbose, seconds=10)
    assert out.getvalue() == ""


@pytest.mark.parametrize("verbose", ["auto"])
def test_short_fits_are_silent_in_a_terminal(clock, screen, verbose):
    out = screen(True)
    run(clock, verbose, epochs=3, batches=3, seconds=0.1)
    assert out.getvalue() == ""


LINES = [f"epoch {epoch}/3  loss 0.5000  accuracy 0.2500  0.4 s" for epoch in (1, 2, 3)]


@pytest.mark.parametrize(("verbose", "terminal"), [(1, False), (True, False), (2, False), (2, True)])
def test_lines(clock, screen, verbose, terminal):
    out = screen(terminal)
    run(clock, verbose)
    assert out.getvalue().splitlines() == LINES and "\r" not in out.getvalue()


@pytest.mark.usefixtures("no_tqdm")
def test_a_bar_of_text(clock, screen):
    out = screen(True)
    run(clock, 1, seconds=0.3)
    text = out.getvalue()
    drawn = [piece.strip() for piece in text.split("\r")]
    assert "epoch 1/3   33%  4/12 batches" in drawn and "epoch 3/3  100%  12/12 batches" in drawn
    assert not any(piece.startswith("epoch 1/3") and "  3/12" in piece for piece in drawn)  # 0.9 s
    assert [piece for piece in drawn if "loss" in piece] == [line.replace("0.4 s", "1.2 s") for line in LINES]
    assert text.endswith("\r") and drawn[-2] == ""  # nothing of the bar stays


@pytest.mark.usefixtures("no_tqdm")
def test_auto_in_a_terminal_shows_long_fits(clock, screen):
    out = screen(True)
    run(clock, "auto", epochs=3, seconds=0.3)
    assert [piece.split()[1] for piece in out.getvalue().split("\r") if "loss" in piece] == [
        "1/3",
        "2/3",
        "3/3",
    ]


@pytest.mark.usefixtures("no_tqdm")
def test_auto_shows_no_more_lines_than_one_can_read(clock, screen):
    out = screen(True)
    run(clock, "auto", epochs=410, batches=1, seconds=0.01)
    lines = [piece.split()[1] for piece in out.getvalue().split("\r") if "loss" in piece]
    assert 8 <= len(lines) <= 16 and lines[-1] == "410/410"
    run(clock, 1, epochs=400, batches=1, seconds=0.01)
    assert out.getvalue().count("loss") == len(lines) + 400  # who asks for lines gets them all


class FakeBar:
    """What `tqdm.tqdm` is asked for."""

    def __init__(self, calls, **options):
        self.calls, self.n = calls, 0
        calls.append(("new", options["total"], options["file"] is sys.stdout, options["leave"]))

    def set_description(self, text, refresh=True):
        self.description = text

    def update(self, count):
        self.n += count
        self.calls.append((self.description, self.n))

    def write(self, text):
        self.calls.append(text)

    def close(self):
        self.calls.append("closed")


def test_a_bar_of_tqdms(clock, screen, monkeypatch):
    calls = []
    monkeypatch.setitem(sys.modules, "tqdm", type(sys)("tqdm"))
    sys.modules["tqdm"].tqdm = lambda **options: FakeBar(calls, **options)
    out = screen(True)
    run(clock, "auto", batches=2, seconds=0.6)
    assert calls == [
        ("new", 6, True, False), ("epoch 1/3", 2), LINES[0].replace("0.4", "1.2"),
        ("epoch 2/3", 3), ("epoch 2/3", 4), LINES[1].replace("0.4", "1.2"),
        ("epoch 3/3", 5), ("epoch 3/3", 6), LINES[2].replace("0.4", "1.2"), "closed",
    ]  # fmt: skip
    assert out.getvalue() == ""


def test_the_real_tqdm_takes_these_calls(clock, screen):
    pytest.importorskip("tqdm")
    out = screen(True)
    run(clock, 1, seconds=0.6)
    text = out.getvalue()
    assert all(line.replace("0.4 s", "2.4 s") in text for line in LINES)
    assert "batch" in text and "epoch 3/3" in text


def test_an_interrupt_is_said(clock, screen):
    out = screen(False)
    Progress(1, 5, 1).interrupted(2)
    Progress("auto", 5, 1).interrupted(2)
    assert out.getvalue() == "interrupted in epoch 3/5\n"


def test_without_a_standard_output(clock, monkeypatch):
    """As under pythonw, or a service."""
    monkeypatch.setattr(sys, "stdout", None)
    for verbose in ("auto", 1, 2):
        run(clock, verbose, seconds=1)


# In fit


@pytest.fixture
def net():
    net = Network([2, 1], seed=0)
    net.compile("sgd")
    return net


def fit(net, **options):
    return net.fit(np.ones((6, 2)), np.ones(6), epochs=2, batch_size=2, **options)


def test_fit_says_a_line_an_epoch(net, capsys):
    history = fit(net, verbose=True).history
    out = capsys.readouterr().out.splitlines()
    assert [text.split("  ")[:2] for text in out] == [
        [f"epoch {i + 1}/2", f"loss {loss:.4f}" if loss >= 1e-3 else f"loss {loss:.3e}"]
        for i, loss in enumerate(history["loss"])
    ]


@pytest.mark.parametrize("verbose", ["auto", 0, False])
def test_fit_is_silent_outside_a_terminal(net, capsys, verbose, monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    fit(net, verbose=verbose)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.usefixtures("no_tqdm")
def test_fit_draws_its_bar_and_clears_it_when_it_fails(net, screen, monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr(progress, "_REDRAW_EVERY", 0.0)
    out = screen(True)

    def fail(epoch, logs):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fit(net, callbacks=[LambdaCallback(on_epoch_end=fail)])
    assert "epoch 1/2   50%  3/6 batches" in out.getvalue()
    assert out.getvalue().endswith("\r" + " " * 60 + "\r")
