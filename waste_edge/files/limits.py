"""The largest input that is read, one number a kind: docs/limits.md explains each, and a test holds it to these.

Whatever comes from outside is held against one of them before memory, disk or time is spent on it.
"""

from __future__ import annotations

MIB = 1 << 20

# Pictures (imaging/image_files.py)
MAX_PICTURE_FILE_BYTES = 256 * MIB
MAX_PICTURE_MEGAPIXELS = 64  # as the file says
MAX_DECODED_BYTES = 192 * MIB  # what a decoder holds at once; a JPEG is decoded smaller instead
MAX_KEPT_MEGAPIXELS = 16  # a larger picture is averaged down by a whole number
MAX_SIDE_PX = 16_384  # of a picture that is kept, and of a camera's frame

# Frames of cameras, films and streams (device/cameras)
MAX_FRAME_BYTES = 32 * MIB  # 3840x2160 in RGB takes 24.9 MB

# Configuration and other text (files/strict.py)
MAX_TOML_BYTES = MIB // 4
MAX_JSON_BYTES = 64 * MIB
MAX_DOTTED_KEY = 32  # parts of one key
MAX_NESTING = 64  # tables and lists in one another
MAX_NUMBER = 1e15  # beyond it a number in a TOML file is a slip of the pen; so are inf and nan
MAX_PASSWORD_BYTES = 4096
MAX_WAIT_FOR_TEXT_S = 10.0  # for a pipe that is given in the place of a file

# Labels and label trees (taxonomy.py)
MAX_LABELS = 4096
MAX_LABEL_LETTERS = 200
MAX_TREE_NODES = 8192
MAX_TREE_DEPTH = 32

# Networks that `bench` is given without a manifest (benchmarks/baseline.py)
MAX_INPUT_NUMBERS = 1 << 24

# Data sets (dataset)
MAX_CSV_BYTES = 256 * MIB
MAX_CSV_CELL_LETTERS = 131_072

# Downloads and archives (training/data)
MAX_DOWNLOAD_BYTES = 64 << 30
MIN_DOWNLOAD_BYTES_PER_S = 1024  # averaged over the patience below
DOWNLOAD_PATIENCE_S = 45.0
DOWNLOAD_ANSWER_S = 30.0  # until a server has said its first lines
MIN_FREE_BYTES = 256 * MIB  # left on the disk while a file of unknown size comes
MAX_ARCHIVE_FILES = 1_000_000
MAX_UNPACKED_BYTES = 256 << 30
MAX_ARCHIVE_NAME_BYTES = 4096
