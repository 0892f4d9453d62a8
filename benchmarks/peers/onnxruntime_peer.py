"""ONNX Runtime: a plain run, array in and array out; and buffers bound beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from . import setting
from .jobs import Array, Job

NAME, PACKAGES = "ONNX Runtime", {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}
OPERATORS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softmax": "Softmax"}


def graph(job: Job) -> onnx.ModelProto:
    """Gemm and activation nodes, as exporters write them."""
    element = helper.np_dtype_to_tensor_dtype(np.dtype(job.dtype))
    nodes, constants, name = [], [], "x"
    for i in range(0, len(job.weights), 2):
        W, b = f"W{i}", f"b{i}"
        for label, array in ((W, job.weights[i]), (b, job.weights[i + 1])):
            constants.append(numpy_helper.from_array(array, label))
        nodes.append(helper.make_node("Gemm", [name, W, b], [f"z{i}"]))
        name = f"z{i}"
        activation = job.output if i + 2 == len(job.weights) else job.hidden
        if activation != "identity":
            nodes.append(helper.make_node(OPERATORS[activation], [name], [f"a{i}"]))
            name = f"a{i}"
    ends = [
        helper.make_tensor_value_info(end, element, [None, width])
        for end, width in (("x", job.widths[0]), (name, job.widths[-1]))
    ]
    body = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], constants)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def session(job: Job) -> onnxruntime.InferenceSession:
    return session_of(graph(job).SerializeToString())


def session_of(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = setting.threads(), 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def predict(job: Job) -> Callable[[], Array]:
    model = session(job)
    names, feeds, run = [model.get_outputs()[0].name], {"x": job.X}, model.run
    return lambda: run(names, feeds)[0]


def predict_bound(job: Job) -> Callable[[], Array]:
    """Input and output stay where they are from call to call."""
    model = session(job)
    out = np.empty((job.batch, job.widths[-1]), job.dtype)
    binding = model.io_binding()
    for bind, name, array in (
        (binding.bind_input, "x", job.X),
        (binding.bind_output, model.get_outputs()[0].name, out),
    ):
        bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run() -> Array:
        model.run_with_iobinding(binding)
        return out

    return run


PREDICT: dict[str, Any] = {"ONNX Runtime": predict, "ONNX Runtime, bound": predict_bound}
TRAIN: dict[str, Any] = {}
