"""Environment variables that affect results: overridden or recorded.

The suite defines what is measured, and a variable in the shell must not change that silently.
Variables that contradict the suite (`OVERRIDDEN`) have no effect in processes that cnnbench starts.
Variables that change how a library computes (`recorded`) keep their effect, and results measured
under different values belong to different environments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import PurePath

# Name -> value in processes that cnnbench starts; None unsets it.
OVERRIDDEN: Mapping[str, str | None] = {
    "TF_USE_LEGACY_KERAS": None,  # the job chooses its generation of Keras
    "KERAS_MAX_EPOCHS": None,  # would cut trainings short
    "KERAS_MAX_STEPS_PER_EPOCH": None,
    "KERAS_NNX_ENABLED": "0",  # for another backend; keras.json may enable it too
    "PYTHONHASHSEED": "0",  # fixes the order of sets, which converters and builders may depend on
    "PYTHONOPTIMIZE": None,
    "PYTHONDEVMODE": None,  # this and the next two slow every allocation down
    "PYTHONMALLOC": None,
    "PYTHONTRACEMALLOC": None,
}

# Threads, instruction sets, kernels, precision and memory of TensorFlow, XLA, JAX, oneDNN, OpenMP
# runtimes, BLAS libraries, NumPy, the C library's allocator, ONNX Runtime and OpenVINO. Not every
# ``TF_`` variable: those of Terraform, which may hold passwords, have that prefix too.
_PREFIXES = (
    *("TF_NUM_", "TF_ENABLE_", "TF_DISABLE_", "TF_USE_", "TF_ALLOW_", "TF_FORCE_", "TF_XLA_"),
    *("TF_ONEDNN_", "TF_MKL_", "TF_CPU_", "TF_GPU_", "TF_CUDNN_", "TF_CUBLAS_", "TF_AUTOTUNE_"),
    *("TF_DETERMINISTIC_", "TF_FUNCTION_", "TF_GRAPPLER_", "TF_JIT_", "TF_OVERRIDE_"),
    *("XLA_", "XNNPACK_", "ONEDNN_", "DNNL_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_"),
    *("GOTO_", "BLIS_", "NPY_", "MALLOC_", "ORT_", "OV_", "OPENVINO_", "CUDNN_", "CUBLAS_"),
    "JAX_",
)
_NAMES = frozenset({"LD_PRELOAD", "GLIBC_TUNABLES", "NVIDIA_TF32_OVERRIDE"})
_OF_GPUS = frozenset(
    {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUDA_FORCE_PTX_JIT"}
)
# Without effect on a number, or set by a library (scikit-learn) when it is imported.
_WITHOUT_EFFECT = frozenset(
    {"KMP_WARNINGS", "KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "OMP_DISPLAY_ENV"}
)


def override(environ: MutableMapping[str, str]) -> None:
    """Change ``environ`` of a process that cnnbench starts, so that the suite alone decides."""
    for name, value in OVERRIDDEN.items():
        environ.pop(name, None)
        if value is not None:
            environ[name] = value


def recorded(
    environ: Mapping[str, str], has_gpu: bool, declared: Iterable[str] = ()
) -> dict[str, str]:
    """Return the variables in ``environ`` that belong to the fingerprint, by name.

    Variables of GPUs are included only if there is a GPU, even if empty: an empty value hides all
    of them. ``LD_PRELOAD`` is reduced to file names. ``declared`` are further names, of runtimes
    of other packages.
    """
    names = _NAMES.union(declared)
    found = {
        name: value
        for name, value in sorted(environ.items())
        if value and (name.startswith(_PREFIXES) or name in names)
    }
    if has_gpu:
        found |= {name: environ[name] for name in sorted(_OF_GPUS) if name in environ}
    if "LD_PRELOAD" in found:
        files = found["LD_PRELOAD"].replace(":", " ").split()
        found["LD_PRELOAD"] = " ".join(PurePath(file).name for file in files)
    skipped = OVERRIDDEN.keys() | _WITHOUT_EFFECT
    return {name: value for name, value in found.items() if name not in skipped}
