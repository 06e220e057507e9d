"""Writes picamera2_signatures.json: the signatures of what is used of picamera2, read from its source.

    python tests/data/make_picamera2_signatures.py PICAMERA2_CHECKOUT

The fake in tests/device/fakes is held against them.
"""

import ast
import json
import sys
from pathlib import Path

USED = (
    "__init__", "global_camera_info", "create_video_configuration", "configure", "camera_configuration", "start",
    "capture_buffers", "cancel_all_and_flush", "close",
)  # fmt: skip


def signatures(source: str) -> dict[str, str]:
    """Arguments with their defaults, as text; of overloaded methods the last, which is the real one."""
    (camera,) = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Picamera2"]
    found = {}
    for node in camera.body:
        if isinstance(node, ast.FunctionDef) and node.name in USED:
            for argument in node.args.args:
                argument.annotation = None
            found[node.name] = ast.unparse(node.args)
    return found


if __name__ == "__main__":
    found = signatures((Path(sys.argv[1]) / "picamera2" / "picamera2.py").read_text())
    assert set(found) == set(USED)
    document = {"picamera2": "0.3.36", "signatures": found}
    target = Path(__file__).with_name("picamera2_signatures.json")
    target.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
