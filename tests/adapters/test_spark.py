"""`fastmlp.spark.predict_udf` in a local session: neither partitions nor batches change a bit."""

import datetime
import os
import shutil
import sys

import numpy as np
import pytest

from fastmlp import Network
from fastmlp.spark import predict_udf
from helpers import assert_same_bits

pytest.importorskip("pyspark")
pd = pytest.importorskip("pandas")

from pyspark.sql import SparkSession, functions  # noqa: E402

pytestmark = pytest.mark.slow  # half a minute
ROWS = 203
PARTITIONS = [1, 2, 3, 7]
NAMES = list("abcd")


@pytest.fixture(scope="module")
def spark():
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("needs Java 17 or later")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def X(rng):
    return rng.normal(size=(ROWS, 4))


def network(n_out=3, **options):
    return Network([4, 16, n_out], output="softmax" if n_out > 1 else "identity", seed=0, **options)


def rows(spark, X, partitions):
    """Numbered, as partitions come in any order."""
    frame = pd.DataFrame(X, columns=NAMES).assign(row=np.arange(len(X)))
    return spark.createDataFrame(frame).repartition(partitions)


def answers(frame, column):
    found = frame.select("row", column.alias("answer")).toPandas().sort_values("row")["answer"]
    return np.array(found.tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("partitions", PARTITIONS)
def test_partitions_and_batches_change_no_bit(spark, X, partitions, dtype):
    net = network(dtype=dtype)
    frame = rows(spark, X, partitions)
    for size in (1, 50) if partitions == 3 else (4096,):
        found = answers(frame, predict_udf(net, batch_size=size)(*NAMES))
        assert_same_bits([found.astype(dtype)], [net.predict(X)])


def test_a_column_of_arrays(spark, X):
    net = network()
    frame = rows(spark, X, 2)
    for column in (
        functions.array(*NAMES),
        functions.array(*(functions.col(n).cast("float") for n in NAMES)),
    ):
        found = answers(frame.withColumn("x", column), predict_udf(net)("x"))
        np.testing.assert_allclose(found, net.predict(X), rtol=1e-5)
    found = answers(frame.withColumn("x", functions.array(*NAMES)), predict_udf(net)("x"))
    assert_same_bits([found.astype("float32")], [net.predict(X)])


def test_types_of_the_answers(spark, X):
    net, labelled, frame = network(), network(), rows(spark, X, 2)
    labelled.classes = ["bird", "cat", "dog"]
    cases = [
        (net, "predict", "array<float>"),
        (network(dtype="float64"), "predict", "array<double>"),
        (network(1), "predict", "float"),
        (net, "predict_classes", "bigint"),
        (labelled, "predict_classes", "string"),
    ]
    for model, method, expected in cases:
        result = frame.select("row", predict_udf(model, method=method)(*NAMES).alias("answer"))
        assert dict(result.dtypes)["answer"] == expected
        found = np.array(result.toPandas().sort_values("row")["answer"].tolist())
        assert found.tolist() == np.squeeze(getattr(model, method)(X)).tolist()


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(3)
    days = rng.integers(0, 400, ROWS)
    return pd.DataFrame(
        {
            "size": np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS)),
            "kind": rng.choice(np.array(["oak", "ash", None], object), ROWS),
            "born": [datetime.date(2024, 1, 1) + datetime.timedelta(int(day)) for day in days],
            "count": rng.integers(0, 9, ROWS),
        }
    )


@pytest.mark.parametrize("partitions", PARTITIONS)
def test_partitions_of_a_table_change_no_bit(spark, table, partitions):
    pytest.importorskip("sklearn")
    from fastmlp.tabular import TabularClassifier, TabularRegressor

    size = table["size"].fillna(0).to_numpy()
    kind = TabularClassifier("fast", random_state=0, nets=2).fit(table, np.where(size > 0, "large", "small"))
    number = TabularRegressor("fast", random_state=0, nets=1).fit(table, size)
    frame = spark.createDataFrame(table.assign(row=np.arange(ROWS))).repartition(partitions)
    cases = [(kind, "predict_proba"), (kind, "predict"), (number, "predict")]
    for model, method in cases if partitions == 3 else cases[:1]:
        found = answers(frame, predict_udf(model, method=method, batch_size=60)())
        assert found.tolist() == getattr(model, method)(table).tolist()
    turned = predict_udf(number)("count", "kind", "born", "size")
    assert answers(frame, turned).tolist() == number.predict(table).tolist()


REFUSED = [
    (
        lambda net: predict_udf(net, batch_size=0),
        ValueError,
        "batch_size is 0, expected an",
    ),
    (lambda net: predict_udf(net, method="fit"), ValueError, "unknown method 'fit'"),
    (lambda net: predict_udf({}), TypeError, "net is a dict, expected a Network"),
    (lambda net: predict_udf(net)("a", "b"), ValueError, "X has 2 columns, expected 4"),
    (lambda net: predict_udf(net)(), ValueError, "X has 0 columns, expected 4"),
]


@pytest.mark.parametrize(("call", "kind", "sentence"), REFUSED, ids=[case[2] for case in REFUSED])
def test_what_does_not_fit_is_refused_at_once(call, kind, sentence):
    with pytest.raises(kind, match=f"^{sentence}"):
        call(network())


def test_names_of_a_table_that_do_not_fit_are_refused(spark, table):
    pytest.importorskip("sklearn")
    from fastmlp.tabular import TabularRegressor

    predict = predict_udf(TabularRegressor("fast", random_state=0, nets=1).fit(table, table["count"]))
    with pytest.raises(ValueError, match="^X lacks the column"):
        predict("size", "kind")
    with pytest.raises(TypeError, match="^columns holds a Column, expected names, by which a Tabular"):
        predict(functions.col("size"))
    with pytest.raises(ValueError, match="^columns is .* expected each name once"):
        predict("size", "size")


def test_a_value_that_does_not_fit_ends_the_job_with_its_sentence(spark, X):
    X[7, 1] = np.nan
    with pytest.raises(Exception, match="X contains nan at row .*, column 1, expected finite numbers"):
        answers(rows(spark, X, 2), predict_udf(network())(*NAMES))
