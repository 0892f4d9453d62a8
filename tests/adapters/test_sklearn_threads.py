"""One estimator in many hands: who fits is alone, who reads sees it as it was before or after a fit."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("sklearn")

import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fastmlp import BusyError
from fastmlp.adapters.sklearn import turns
from fastmlp.callbacks import Callback, LambdaCallback
from fastmlp.sklearn import MLPClassifier, MLPRegressor, from_sklearn
from helpers import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BUSY = "^the MLPClassifier is being fitted by another call, expected it to end first$"


class Gate(Callback):
    """Stops a fit after its first epoch, once `armed`, until it is told to go on."""

    def __init__(self):
        self.armed, self.reached, self.go_on = False, threading.Event(), threading.Event()

    def __reduce__(self):
        return Gate, ()

    def on_epoch_end(self, epoch, logs):
        if self.armed:
            self.reached.set()
            assert self.go_on.wait(60)


@contextmanager
def fitting(model, gate, *arguments, method="fit", **options):
    """A block of code that runs while another thread is in the middle of a fit."""
    gate.armed = True
    thread = threading.Thread(target=getattr(model, method), args=arguments, kwargs=options, daemon=True)
    thread.start()
    assert gate.reached.wait(60)
    try:
        yield
    finally:
        gate.go_on.set()
        thread.join(60)
        gate.armed = False
        gate.reached.clear(), gate.go_on.clear()
    assert not thread.is_alive()


@pytest.fixture
def X(rng):
    return rng.normal(size=(60, 3))


@pytest.fixture
def y():
    return np.arange(60) % 3


def fitted(X, y, gate=None, **options):
    options = {"max_iter": 2, "random_state": 0, "callbacks": gate, **options}
    return MLPClassifier((5,), **options).fit(X, y)


# Who fits is alone


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_another_fit_is_refused_and_changes_nothing(method, X, y):
    gate = Gate()
    model, alone = fitted(X, y, gate), fitted(X, y)
    with fitting(model, gate, X, y, method=method):
        for other in (model.fit, model.partial_fit):
            with pytest.raises(BusyError, match=BUSY):
                other(X[:, :2], np.zeros(60))
        with pytest.raises(BusyError, match=BUSY):
            model.coefs_ = []
    getattr(alone, method)(X, y)
    assert_same_bits(model.coefs_, alone.coefs_)
    assert model.loss_curve_ == alone.loss_curve_ and model.classes_.tolist() == [0, 1, 2]
    model.partial_fit(X, y)


def test_two_threads_of_partial_fits():
    """In a process of its own, which two threads in one plan would end."""
    code = """
import threading, numpy as np, fastmlp
from fastmlp.sklearn import MLPRegressor
rng = np.random.default_rng(0)
model, errors = MLPRegressor(hidden_layer_sizes=(64,), random_state=0), []
def work(rows):
    X = rng.normal(size=(rows, 8))
    for _ in range(25):
        try: model.partial_fit(X, X[:, 0])
        except fastmlp.BusyError: errors.append(rows)
threads = [threading.Thread(target=work, args=(rows,)) for rows in (4000, 1000)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert model.t_ == 5000 * 25 - sum(errors), (model.t_, errors)
assert np.isfinite(model.coefs_[0]).all() and len(model.loss_curve_) == 50 - len(errors)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:] or result.returncode


def test_a_callback_of_the_fit_may_read_and_not_fit(X, y):
    plain, scores = fitted(X, y, max_iter=4), []

    def read(epoch, logs):
        with pytest.raises(BusyError, match=BUSY):
            model.partial_fit(X, y)
        present = model.coefs_
        assert_same_bits(present, watcher.network.get_weights()[::2])
        assert_same_bits(model.predict_proba(X), watcher.network.predict(X))
        assert_same_bits(pickle.loads(pickle.dumps(model._net)).get_weights()[::2], present)
        scores.append(model.score(X, y))

    watcher = LambdaCallback(on_epoch_end=read)
    model = MLPClassifier((5,), max_iter=4, random_state=0, callbacks=watcher)
    model.fit(X, y)
    assert len(scores) == 4 and scores[-1] == model.score(X, y)
    assert_same_bits(model.coefs_, plain.coefs_)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_end", "on_train_end"])
def test_it_is_free_however_the_fit_ended(hook, error, X, y):
    def fail(*arguments):
        raise error

    model = fitted(X, y)
    model.set_params(callbacks=LambdaCallback(**{hook: fail}))
    with pytest.warns(UserWarning), pytest.raises(error):
        warnings.warn("one at least, as of an interrupt", stacklevel=1)
        model.fit(X, y)
        raise error  # Ctrl-C between epochs ends a fit without an error
    with pytest.raises(ValueError):
        model.fit(X, y[:5])
    model.set_params(callbacks=None).partial_fit(X, y)


def test_it_is_free_after_an_interrupt_before_any_line(X, y):
    """Of those that take the estimator and give it back, in one fit after another."""
    model, line, interrupted = fitted(X, y), 0, True
    while interrupted:
        line, left, interrupted = line + 1, line + 1, False

        def trace(frame, event, argument):
            nonlocal left, interrupted
            if frame.f_code.co_filename != turns.__file__:
                return None
            left -= event == "line"
            if event == "line" and left == 0:
                interrupted = True
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            model.partial_fit(X, y)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        before = model.t_
        model.partial_fit(X, y)
        assert model.t_ == before + len(X)
        assert_same_bits(model.predict_proba(X), model.predict_proba(X.tolist()))
    assert line > 15


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no interval timer")
def test_it_is_free_after_ctrl_c_at_any_moment(X, y):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    model, heard = fitted(X, y), 0
    config = sklearn.get_config()  # which an interrupt in the end of its config_context leaves changed
    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        for i in range(150):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0005 + i * 1e-5)
                while True:
                    try:
                        model.partial_fit(X[:2], y)  # refused at once: most of the time is in and out
                    except ValueError:
                        pass
            except KeyboardInterrupt:
                heard += 1
            model.partial_fit(X, y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        sklearn.set_config(**config)
    assert heard == 150


# Who reads


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_others_see_the_estimator_before_the_fit(method, X, y):
    gate = Gate()
    model = fitted(X, y, gate)
    before = copy.deepcopy(fitted(X, y))
    words = np.array(["a", "b"])[y % 2] if method == "fit" else y
    given = X[:, :2] if method == "fit" else X
    with fitting(model, gate, given, words, method=method):
        for rows in (X, X.tolist()):  # the short way, and scikit-learn's
            assert_same_bits(model.predict_proba(rows), before.predict_proba(rows))
            assert_same_bits(model.predict(rows), before.predict(rows))
        assert_same_bits(model.coefs_ + model.intercepts_, before.coefs_ + before.intercepts_)
        assert_same_bits(from_sklearn(model).get_weights(), from_sklearn(before).get_weights())
        kept = pickle.loads(pickle.dumps(model))
        assert_same_bits(kept.predict_proba(X), before.predict_proba(X))
        assert clone(model).fit(given, words).classes_.tolist() == np.unique(words).tolist()
    assert model.predict(given).dtype == words.dtype
    assert not np.array_equal(model.coefs_[1][0, 0], before.coefs_[1][0, 0])
    kept.partial_fit(X, y)


def test_nobody_can_predict_before_the_first_fit_has_ended(X, y):
    gate = Gate()
    model = MLPClassifier((5,), max_iter=2, random_state=0, callbacks=gate)
    with fitting(model, gate, X, y):
        with pytest.raises(NotFittedError):
            model.predict(X)
        with pytest.raises(AttributeError):
            model.coefs_  # noqa: B018
    assert_same_bits(model.coefs_, fitted(X, y).coefs_)


@pytest.mark.parametrize("as_list", [False, True])
def test_every_prediction_is_of_one_fit(as_list, X, y):
    """Fits to words of two classes and to numbers of three in turn, while others predict."""
    tasks = [(X, np.array(["no", "yes"])[y % 2]), (X, y)]
    model = MLPClassifier((5,), max_iter=2, random_state=0)
    expected = [model.fit(*task).predict(X).tolist() for task in tasks]
    stop, found, rows = threading.Event(), [], X.tolist() if as_list else X

    def predict():
        while not stop.is_set():
            try:
                found.append(model.predict(rows).tolist())
            except Exception as error:
                found.append(error)
                return

    threads = [threading.Thread(target=predict) for _ in range(2)]
    [thread.start() for thread in threads]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for i in range(60):
            model.fit(*tasks[i % 2])
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        [thread.join() for thread in threads]
    wrong = [result for result in found if result not in expected]
    assert len(found) > 20 and not wrong, wrong[0]


# Copies and processes


def test_the_flag_is_in_no_copy(X, y):
    gate = Gate()
    model = fitted(X, y, gate)
    with fitting(model, gate, X, y):
        for made in (clone(model), copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
            made.set_params(callbacks=None).fit(X, y)
    regressor = MLPRegressor(max_iter=1).fit(X, y)
    assert pickle.loads(pickle.dumps(regressor)).partial_fit(X, y).n_iter_ == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_child_forked_in_a_fit_goes_on_from_before_it(method, X, y):
    gate = Gate()
    model = fitted(X, y, gate, threads=1)
    twin = fitted(X, y, threads=1)
    before = twin.predict_proba(X)
    after = getattr(twin, method)(X, y).predict_proba(X)
    with fitting(model, gate, X, y + 1 if method == "fit" else y, method=method):
        child = os.fork()
        if not child:
            failed = 1
            try:
                model.set_params(callbacks=None)
                same = np.array_equal(model.predict_proba(X), before)
                getattr(model, method)(X, y)
                failed = 0 if same and np.array_equal(model.predict_proba(X), after) else 2
            finally:
                os._exit(failed)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_in_the_first_fit_begins_anew(X, y):
    gate = Gate()
    model = MLPClassifier((5,), max_iter=2, random_state=0, callbacks=gate, threads=1)
    expected = (
        MLPClassifier((5,), random_state=0, threads=1).partial_fit(X, y, classes=range(4)).predict_proba(X)
    )
    with fitting(model, gate, X, y):
        child = os.fork()
        if not child:
            failed = 1
            try:
                model.set_params(callbacks=None).partial_fit(X, y, classes=range(4))
                failed = 0 if np.array_equal(model.predict_proba(X), expected) else 2
            finally:
                os._exit(failed)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
