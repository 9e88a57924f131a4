"""Graphs that run: ONNX Runtime and OpenVINO, which differ in nothing else."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor
from typing_extensions import assert_never

from motiongpt3.errors import InputError

Backend = Literal["onnx", "openvino"]


@runtime_checkable
class Runs(Protocol):
    """A graph: tensors by the names of its inputs to tensors in the order of its outputs."""

    def __call__(self, **inputs: Tensor) -> list[Tensor]: ...


def opened(backend: Backend) -> Callable[[Path], Runs]:
    """What opens graphs, with as many threads as PyTorch has now.

    Raises:
        InputError: when the library is not installed.
    """
    try:
        match backend:
            case "onnx":
                return _onnx_runtime(torch.get_num_threads())
            case "openvino":
                return _openvino(torch.get_num_threads())
            case _:
                assert_never(backend)
    except ImportError as error:
        raise InputError(
            f"backend '{backend}' is not installed",
            where=str(error.name),
            hint='pip install "motiongpt3[onnx]"',
        ) from error


def _onnx_runtime(threads: int) -> Callable[[Path], Runs]:
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only
    # Threads that wait by spinning would take the cores from PyTorch's, which work between graphs:
    # a motion took four times as long on two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def open_graph(file: Path) -> Runs:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

        def run(**inputs: Tensor) -> list[Tensor]:
            arrays = {name: x.detach().numpy() for name, x in inputs.items()}
            return [torch.from_numpy(y) for y in session.run(None, arrays)]

        return run

    return open_graph


def _openvino(threads: int) -> Callable[[Path], Runs]:
    import openvino  # type: ignore[import-untyped,unused-ignore]

    core = openvino.Core()
    # Without the last it computes in bfloat16 where the processor can.
    how: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }

    def open_graph(file: Path) -> Runs:
        request = core.compile_model(file, "CPU", how).create_infer_request()
        turn = Lock()  # a request runs once at a time

        def run(**inputs: Tensor) -> list[Tensor]:
            arrays = {name: x.detach().contiguous().numpy() for name, x in inputs.items()}
            with turn:
                results = request.infer(arrays, share_inputs=True)
                return [torch.from_numpy(y) for y in results.values()]

        return run

    return open_graph
