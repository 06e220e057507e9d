"""One thread a library: a station has one engine thread and small pictures, and nothing to gain from more.

numpy's linear algebra and OpenCV would start a thread a core, each with buffers of its own.
"""

from __future__ import annotations

# Read by the libraries when they are first imported: OpenMP, numpy's OpenBLAS, OpenCV.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
