"""Threads: how many, when they sleep, what a fork leaves, many callers at once; FASTMLP_ISA."""

import gc
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastmlp
from fastmlp import Network, _kernels
from helpers import assert_same_bits
from interpreters import interpret

TASKS = "/proc/self/task"  # one folder a thread, on Linux


def run(code, **environment):
    """A fresh interpreter's answer; variables of ours in this one's environment do not reach it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FASTMLP_") and k != "OMP_NUM_THREADS"}
    return interpret(code, environment={**kept, **environment})


def answer(code, **environment):
    result = run(code, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def net():
    return Network([128, 256, 10], output="softmax", seed=0)


@pytest.fixture
def X(rng):
    """Enough rows for several threads."""
    return rng.normal(size=(2000, 128)).astype(np.float32)


# How many


COUNT = "import fastmlp; print(fastmlp.get_num_threads())"


def test_the_environment_names_the_number():
    assert answer(COUNT, FASTMLP_NUM_THREADS="3") == "3"
    assert answer(COUNT, OMP_NUM_THREADS="5") == "5"
    assert answer(COUNT, OMP_NUM_THREADS="4,2") == "4"
    assert answer(COUNT, FASTMLP_NUM_THREADS="3", OMP_NUM_THREADS="5") == "3"
    assert answer("import fastmlp; fastmlp.set_num_threads(2); print(fastmlp.get_num_threads())",
                  FASTMLP_NUM_THREADS="3") == "2"  # fmt: skip


NONSENSE = ["0", "-1", "many", "4x", "2.5", "1e1", "65537", "99999999999999999999"]
DEFAULT = "from fastmlp import _kernels, get_num_threads; print(get_num_threads() == _kernels.cpu_count())"


@pytest.mark.parametrize("nothing", ["", " "])
def test_without_a_number_the_processors_count(nothing):
    result = run(DEFAULT, FASTMLP_NUM_THREADS=nothing, OMP_NUM_THREADS=nothing)
    assert (result.stdout.strip(), result.stderr) == ("True", "")


@pytest.mark.parametrize("name", ["FASTMLP_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_in_the_environment_is_told_once(name, text):
    result = run(DEFAULT + "; import fastmlp, fastmlp.config; get_num_threads()", **{name: text})
    assert result.stdout.strip() == "True"
    told = f"RuntimeWarning: {name} is {text!r}, expected an integer from 1 to 65536; it is ignored"
    assert [line for line in result.stderr.splitlines() if told in line] == [f"<string>:1: {told}"]


def test_nonsense_of_ours_leaves_the_number_to_openmps():
    result = run(COUNT, FASTMLP_NUM_THREADS="many", OMP_NUM_THREADS=" 5 ,2")
    assert result.stdout.strip() == "5" and "FASTMLP_NUM_THREADS is 'many'" in result.stderr


SPINNING = "import fastmlp; print(fastmlp.get_spinning())"


def test_the_environment_says_whether_threads_spin():
    assert answer(SPINNING) == answer(SPINNING, FASTMLP_SPINNING="1") == "True"
    assert answer(SPINNING, FASTMLP_SPINNING="") == "True"
    assert answer(SPINNING, FASTMLP_SPINNING="0") == "False"
    code = SPINNING.replace("; ", "; fastmlp.set_spinning(True); ")
    assert answer(code, FASTMLP_SPINNING="0") == "True"
    result = run(SPINNING, FASTMLP_SPINNING="no")
    assert result.stdout.strip() == "True"
    assert "RuntimeWarning: FASTMLP_SPINNING is 'no', expected 0 or 1; it is ignored" in result.stderr


@pytest.mark.parametrize("spinning", [0, "no", None])
def test_spinning_is_yes_or_no(spinning):
    with pytest.raises(TypeError, match="spinning is"):
        fastmlp.set_spinning(spinning)
    assert fastmlp.get_spinning()


@pytest.mark.parametrize("threads", [2**16 + 1, 2**31, 2**64, 0, -1])
def test_a_number_that_no_machine_has_is_refused(net, X, threads):
    y = np.arange(len(X)) % 10
    net.compile()
    calls = [
        lambda: net.predict(X, threads=threads),
        lambda: net.fit(X, y, threads=threads),
        lambda: net.evaluate(X, y, threads=threads),
        lambda: fastmlp.set_num_threads(threads),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"threads is {threads}, expected an integer from 1 to 65536"):
            call()


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit on memory")
@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers reserve terabytes")
def test_memory_is_for_threads_that_can_run():
    """60,000 threads may be asked for; buffers of 0.6 MB each would be 37 GB."""
    code = """
import resource
import numpy as np
from fastmlp import Network
rng = np.random.default_rng(0)
net = Network([256, 512, 512, 10], output="softmax", seed=0)
X, y = rng.normal(size=(20000, 256)).astype("float32"), rng.integers(0, 10, 20000)
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
net.compile("sgd")
net.fit(X, y, batch_size=None, threads=60000)
print(net.evaluate(X[:1], y[:1], threads=60000)["loss"] > 0)
"""
    assert answer(code) == "True"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_affinity_counts():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
    assert answer(code + COUNT) == "1"
    assert 1 <= _kernels.cpu_count() <= len(os.sched_getaffinity(0))


WORK = """
import os, sys
import numpy as np
from fastmlp import Network, set_num_threads

net = Network([128, 256, 10], output="softmax", seed=0)
X = np.random.default_rng(0).normal(size=(2000, 128)).astype("float32")
y = np.arange(2000) % 10
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
"""
needs_proc = pytest.mark.skipif(not os.path.isdir(TASKS), reason="needs /proc")


@needs_proc
@pytest.mark.parametrize(
    ("code", "started"),
    [
        ("net.predict(X[:1]); net.predict(X[:1], threads=4)", 0),  # short work stays alone
        ("net.predict(X, threads=1)", 0),
        ("net.predict(X, threads=3)", 2),
        (
            "net.predict(X, threads=3); net.predict(X, threads=2); net.predict(X)",
            2,
        ),  # FASTMLP_NUM_THREADS is 2
        ("net.predict(X)", 1),
        ("set_num_threads(1); net.predict(X)", 0),
        ("set_num_threads(3); net.predict(X)", 2),
        ("net.compile(); net.fit(X, y, batch_size=1000, threads=3)", 2),
        ("net.compile(); net.fit(X, y, batch_size=1000, threads=1)", 0),
        ("net.compile(); net.evaluate(X, y, threads=3)", 2),
        ("net.compile(); net.fit(X, y, batch_size=4)", 0),
    ],
)
def test_threads_are_started_for_large_work_alone(code, started):
    """What is not asked for is not started; numpy's own threads are counted before."""
    code = f"{WORK}{code}\nprint(threads() - before)"
    assert answer(code, FASTMLP_NUM_THREADS="2") == str(started)


# The same bits


@pytest.mark.parametrize("threads", [2, 3, 16, 1000])
def test_threads_do_not_change_a_prediction(net, X, threads):
    assert_same_bits(net.predict(X, threads=threads), net.predict(X, threads=1))


def test_many_callers_at_once_get_the_same_bits(net, X):
    """One of them has the pool, the others work alone; all predict with the same network."""
    expected = net.predict(X, threads=1)
    start, results, errors = threading.Barrier(8), [], []

    def call(number):
        try:
            start.wait()
            for _ in range(6):
                first = 100 * number
                results.append((first, net.predict(X[first:], threads=1 + number % 3)))
                results.append((first, net.predict(X[first], threads=2)[None]))
        except Exception as error:
            errors.append(error)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert errors == [] and len(results) == 8 * 6 * 2
    for first, result in results:
        assert_same_bits(result, expected[first : first + len(result)])


def test_networks_train_at_once(rng):
    """Each in its own Python thread, with the pool shared: the bits of training alone."""
    X, y = rng.normal(size=(600, 64)), rng.integers(0, 10, 600)

    def train(seed, results):
        net = Network([64, 96, 10], output="softmax", seed=seed)
        net.compile("adam")
        net.fit(X, y, epochs=3, batch_size=200, threads=2)
        results[seed] = net.get_weights()

    alone, together = {}, {}
    for seed in range(4):
        train(seed, alone)
    trainers = [threading.Thread(target=train, args=(seed, together)) for seed in range(4)]
    for trainer in trainers:
        trainer.start()
    for trainer in trainers:
        trainer.join()
    for seed in range(4):
        assert_same_bits(together[seed], alone[seed])
    assert np.any(alone[0][0] != alone[1][0])


# Idle threads, forks, the end


@pytest.mark.skipif(not os.path.isdir(TASKS), reason="needs Linux's /proc")
def test_woken_threads_may_run_where_they_could_before(net, X):
    """A sleeping thread is kept off its waker's processor until it runs."""
    allowed = lambda: {task: os.sched_getaffinity(int(task)) for task in os.listdir(TASKS)}  # noqa: E731
    before, own = allowed(), os.sched_getaffinity(0)
    for pause in (0.0, 0.001, 0.01, 0.05, 0.05):
        time.sleep(pause)
        net.predict(X, threads=3)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        after = allowed()
        # A thread that an earlier test woke may have been on its way to `own` when `before` was taken.
        restricted = [task for task, cpus in after.items() if cpus not in (before.get(task), own)]
        if not restricted:
            break
        time.sleep(0.01)
    assert len(after) >= 3
    assert not restricted


AFFINITY = (
    WORK
    + """
import time
own = set(os.listdir("/proc/self/task"))
cpus = sorted(os.sched_getaffinity(0))
net.predict(X, threads=3)
pool = set(os.listdir("/proc/self/task")) - own
assert len(pool) == 2
for wanted in ({cpus[0]}, {cpus[-1]}, set(cpus)):
    os.sched_setaffinity(0, wanted)  # of the calling thread alone
    deadline = time.monotonic() + 30
    while any(os.sched_getaffinity(int(task)) != wanted for task in pool):
        assert time.monotonic() < deadline, wanted
        time.sleep(0.01)  # they fall asleep
        net.predict(X, threads=3)
print("followed")
"""
)


@needs_proc
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_threads_follow_their_callers_affinity():
    assert answer(AFFINITY) == "followed"


def test_idle_threads_use_no_processor_time(net, X):
    net.predict(X, threads=3)
    gc.disable()
    try:
        spent = []
        for _ in range(3):  # the best of three, as other threads of the tests' process may wake
            before = time.process_time()
            time.sleep(0.3)
            spent.append(time.process_time() - before)
    finally:
        gc.enable()
    assert min(spent) < 0.03


PAUSES = (
    WORK
    + """
import fastmlp, gc, time
gc.disable()

def spent_in(pauses, seconds):
    total = 0.0
    for _ in range(pauses):
        net.predict(X, threads=2)
        before = time.process_time()
        time.sleep(seconds)
        total += time.process_time() - before
    return total
"""
)


def test_threads_that_have_spun_sleep():
    """Calls one after the other, whose threads spin for the next; then a second without any."""
    code = PAUSES + "spent_in(300, 0.0)\nprint(spent_in(1, 1.0))"
    assert float(answer(code)) < 0.005


@pytest.mark.parametrize(
    "forbidden",
    [
        "fastmlp.set_spinning(False)",
        pytest.param("os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
                     marks=pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")),
    ],
)  # fmt: skip
def test_threads_do_not_spin_where_they_must_not(forbidden):
    """Nor where there are more of them than processors.  300 pauses of 0.4 ms are 0.12 s of spinning."""
    assert float(answer(f"{PAUSES}{forbidden}\nspent_in(50, 0.0)\nprint(spent_in(300, 0.0004))")) < 0.04


FORK = (
    WORK
    + """
import signal
expected = net.predict(X, threads=3)
net.compile("adam")
net.fit(X, y, batch_size=1000, threads=3)
trained = net.predict(X, threads=3)
for generation in range(2):  # a child's own child too
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a deadlock ends the child with a signal
        assert (net.predict(X, threads=3) == trained).all()
        net.fit(X, y, batch_size=1000, threads=2)
        assert not (net.predict(X, threads=2) == trained).all()
        assert threads() > 1
        trained = net.predict(X, threads=1)
        continue
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert (net.predict(X, threads=2) == trained).all()  # the parent goes on
    break
print("child" if generation else "parent", flush=True)
os._exit(0) if generation else sys.exit(0)
"""
)


@needs_proc
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_works():
    assert answer(FORK).splitlines()[-1] == "parent"


def test_the_process_ends_while_threads_wait_and_work():
    """Whatever the pool does, an interpreter that has finished ends: at once, and with its own status."""
    code = WORK.replace("threads = lambda", "unused = lambda").replace("before = threads()", "") + (
        "import threading, time\n"
        "def forever():\n"
        "    while True: net.predict(X, threads=3)\n"
        "threading.Thread(target=forever, daemon=True).start()\n"
        "time.sleep(0.2)\n"
        "sys.exit(7)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (7, "")


# threadpoolctl


LIMITS = """
from threadpoolctl import threadpool_info, threadpool_limits
ours = lambda: [(entry["num_threads"], entry["filepath"]) for entry in threadpool_info()
                if entry["user_api"] == "fastmlp"]
assert ours() == [(3, fastmlp._kernels.__file__)], ours()
with threadpool_limits(1):
    assert fastmlp.get_num_threads() == 1
    assert [count for count, _ in ours()] == [1]
with threadpool_limits(1, user_api="blas"):
    assert fastmlp.get_num_threads() == 3
with threadpool_limits({"fastmlp": 2}):
    assert fastmlp.get_num_threads() == 2
assert fastmlp.get_num_threads() == 3
print("limited")
"""


@pytest.mark.parametrize(
    "first",
    [
        "import fastmlp",
        "import threadpoolctl, fastmlp",
        "import fastmlp, importlib.util; importlib.util.find_spec('threadpoolctl')",  # looked for, not loaded
        "import fastmlp, sklearn",
    ],
)
def test_threadpoolctl_limits_our_threads(first):
    pytest.importorskip("threadpoolctl")
    if "sklearn" in first:
        pytest.importorskip("sklearn")
    assert answer(f"{first}\n{LIMITS}", FASTMLP_NUM_THREADS="3") == "limited"


def test_without_threadpoolctl_nothing_waits_for_it():
    """Its absence is the same ImportError as ever, and nothing is imported for it."""
    code = (
        "import sys; sys.modules.pop('threadpoolctl', None); import fastmlp\n"
        "assert 'threadpoolctl' not in sys.modules\n"
        "sys.path[:] = []\n"
        "try:\n    import threadpoolctl\nexcept ModuleNotFoundError as error:\n    print(error)\n"
    )
    assert answer(code) == "No module named 'threadpoolctl'"


# FASTMLP_ISA


ISA = "import fastmlp; print(fastmlp.Network([2, 1]).isa)"


def test_the_environment_names_the_instruction_set():
    for name in _kernels.isas()["runnable"]:
        assert answer(ISA, FASTMLP_ISA=name) == name
    assert answer(ISA, FASTMLP_ISA="") == answer(ISA)


def test_an_unknown_instruction_set_is_refused():
    result = run(ISA, FASTMLP_ISA="mmx")
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ValueError: FASTMLP_ISA names no instruction set of this build, expected one of ")
    assert all(name in last for name in _kernels.isas()["compiled"])


def test_an_instruction_set_that_cannot_run_is_refused():
    """It is compiled in wherever this is x86-64, and not runnable on some machines alone."""
    missing = set(_kernels.isas()["compiled"]) - set(_kernels.isas()["runnable"])
    if not missing:
        pytest.skip("this machine runs every instruction set of the build")
    name = missing.pop()
    result = run(ISA, FASTMLP_ISA=name)
    assert result.returncode == 1
    assert "FASTMLP_ISA names an instruction set this machine cannot run" in result.stderr
    with pytest.raises(ValueError, match="cannot run"):
        Network([2, 1], isa=name)


def test_the_chosen_instruction_set_is_told(capsys):
    fastmlp.show_config()
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["instruction set chosen"].strip() == Network([2, 1]).isa
    assert lines["instruction sets runnable"].strip().split(", ") == _kernels.isas()["runnable"]
    assert lines["threads"].strip() == str(fastmlp.get_num_threads())
