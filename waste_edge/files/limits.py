"""The largest input that is read, one number a kind: docs/limits.md explains each, and a test holds it to these.

Whatever comes from outside is held against one of them before memory, disk or time is spent on it.
"""

from __future__ import annotations

MIB = 1 << 20

# Pictures (imaging/image_files.py)
MAX_PICTURE_FILE_BYTES = 256 * MIB
MAX_PICTURE_MEGAPIXELS = 64  # as the file says
MAX_DECODED_BYTES = 192 * MIB  # what a decoder holds at once; a JPEG is decoded smaller instead
MAX_JPEG_SCANS = 40  # a progressive one has ten; each is decoded over the whole picture
MAX_FOLDER_DEPTH = 64  # folders in one another, in which pictures are looked for
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
MAX_KEY_BYTES = MIB // 16  # a PEM file; ed25519's has 120 bytes
MAX_WAIT_FOR_TEXT_S = 10.0  # for a pipe that is given in the place of a file

# Labels and label trees (taxonomy.py)
MAX_LABELS = 4096
MAX_LABEL_LETTERS = 200
MAX_TREE_NODES = 8192
MAX_TREE_DEPTH = 32

# Bundles (bundle)
MAX_MANIFEST_BYTES = 4 * MIB  # ours have 25 kB
MAX_BUNDLE_BYTES = 1 << 30  # an edge model is megabytes; more than a gigabyte is an attack or a mistake
MAX_NETWORK_BYTES = 128 * MIB  # of one network, which is read whole
MAX_BUNDLE_FILES = 256  # in a zip; also the arrays in one of a bundle's .npz files
MAX_ZIP_LIST_BYTES = MIB // 16  # of a zip's list of files; zipfile makes an object of each 46 bytes
MAX_ARRAY_BYTES = 64 * MIB  # a hundred golden pictures of a large network
MAX_ARRAYS_BYTES = 128 * MIB  # of all arrays of one .npz, unpacked
MAX_GOLDEN_PICTURES = 1000
MAX_FEATURES = 65_536
MAX_EXTRA_FILES = 64

# Networks that are not known good (engines/graph/untrusted.py, engines/trial)
MAX_LAYER_BYTES = 16 * MIB  # of a tensor that a layer makes, or
MAX_LAYER_INPUTS = 64  # times the input as floats, if that is more; VGG's widest layer has 22 times that
TRIAL_BASE_BYTES = 144 * MIB  # Python, NumPy, OpenCV and both engines take 75 to 95 (VmData)
TRIAL_NETWORK_FILES = 6  # times the largest network's file
TRIAL_INPUTS = 24  # times the input as floats
TRIAL_SHARED_BYTES = 48 * MIB  # more than all these in its memory: the libraries' own pages
TRIAL_FILE_BYTES = MIB  # of a file it writes: it writes none, but an emulator (QEMU) gives it /proc/cpuinfo as one
TRIAL_CPU_S = 8  # for each network: to load it and to answer its golden pictures, on the slowest board a second
TRIAL_PATIENCE_S = 60.0  # for the child's next word; where cores are shared, processor time takes longer

# A running station (device)
MAX_STATION_LETTERS = 200  # of its name
MAX_OUTBOX_DAYS = 36_500  # a hundred years: for ever
MAX_OUTBOX_MB = 1_000_000
MAX_EVENTS_IN_MEMORY = 1_000_000  # while the disk cannot be written
MAX_RECORD_BYTES = 4 * MIB  # of an event in the outbox; 4,096 labels of 200 letters take one
MAX_LOOKS_BYTES = 64 * MIB  # logits and features of one item, unpacked; eight looks of `accurate` take 20 kB
MAX_SETTING_BYTES = MIB // 16  # what an item was seen with, as JSON; ours has a thousandth
MAX_SCENE_BYTES = 16 * MIB  # kept in the outbox; a station's has some tenths of one
MAX_JSON_LINES_MB = 100_000
MAX_JSON_LINES_FILES = 10_000  # older ones
MAX_READ_BACK_BYTES = 16 * MIB  # of the newest of these, for the ids in them
MAX_READ_BACK_IDS = 50_000
MAX_EXPIRE_S = 86_400  # an answer is awaited
MAX_WHO_LETTERS = 100  # who answered
MAX_REVIEWED_ITEMS = 1000  # the newest, which can be answered or corrected
MAX_ANSWERS_PER_ITEM = 20
MAX_WAITING_ANSWERS = 64  # handed in, and not yet on the disk
MAX_KEEPALIVE_S = 3600
MAX_TIMEOUT_S = 60
MAX_HOLD_S = 3600  # an output of [gpio] is on after a decision
MAX_WATCHDOG_S = 60  # until a loop that does nothing counts as dead
MAX_URL_LETTERS = 2000
MAX_HTTP_ANSWER_BYTES = MIB // 16  # read of what a web server answers to a request
MAX_MQTT_LETTERS = 1000  # of a topic, a name; MQTT itself takes 65,535 bytes, with what comes behind a topic
MAX_BROKER_PACKET_BYTES = MIB // 16  # far above an acknowledgement, and what other stations say under our topics
MAX_SANDBOX_RULES = 20_000  # files and folders that the capture process may see

MAX_COLLECT_DAYS = 36_500  # of [collect] max_days
MAX_COLLECT_MB = 1_000_000

# Installed models (device/models)
MAX_MODEL_ROLES_BYTES = MIB // 16  # ours have one or two kB
MAX_MODEL_HISTORY_BYTES = MIB // 4  # some five hundred changes
MAX_MODEL_MB = 1000  # of [models] max_mb
MAX_PROBATION_ITEMS = 100_000
MAX_SHADOW_ANSWERS = 100_000
MAX_BUNDLES_IN_FOLDER = 256  # files of a folder in which bundles are looked for
MODEL_ANSWER_S = 30.0  # for a server's next bytes
MODEL_DOWNLOAD_S = 900.0  # for all of them

# Commissioning (device/commission)
MAX_COMMISSION_SHOTS = 4096  # looks at items; an hour gives some hundreds
MAX_COMMISSION_BYTES = 64 * MIB  # of their answers

# Reports for a bug (device/support)
MAX_SUPPORT_TEXT_BYTES = 2 * MIB  # of one file in it, the end of a log that is longer
MAX_SUPPORT_PICTURES = 20  # the newest crops, if pictures are asked for
MAX_SUPPORT_PICTURES_BYTES = 8 * MIB  # of all of them

# Reports of a station (device/reporting)
MAX_REPORT_RECORDS = 1_000_000  # items, answers and lines of health; a kilobyte each while they are reported
MAX_REPORT_FILE_BYTES = 100_000 * MIB  # as large as [json_lines] lets one become
MAX_EVENT_LINE_BYTES = MIB  # ours have one thousandth

# The page (device/page)
MAX_PAGE_ITEMS = 500  # recent ones, each with a crop of some 10 kB, in both processes
MAX_PAGE_PACKET_BYTES = MIB // 8  # between the station and its page: a live picture takes a third
MAX_PAGE_COMMAND_BYTES = 4096  # from the page to the station
MAX_PAGE_CONNECTIONS = 64
MAX_PAGE_HEADER_BYTES = MIB // 64  # of one request
PAGE_HEADER_S = 10.0  # for a whole one, and of silence between two requests
PAGE_REQUEST_S = 90.0  # from a request's header to the end of its answer
MAX_PAGE_WRONG_TOKENS = 10  # a minute and address
MAX_UPLOAD_BYTES = 16 * MIB  # of one picture; it stays in memory
MAX_UPLOADS = 3  # at once, one of them being classified
UPLOAD_MEMORY_BYTES = 224 * MIB  # of the process that classifies them
UPLOAD_ANSWER_S = 30.0  # for one picture, and as long before the first for the network

# Updates (device/service/wheels.py)
MAX_HASH_LIST_BYTES = MIB
MAX_WHEEL_BYTES = 1 << 30  # the largest that a station needs has 20 MB

# Networks that `bench` is given without a manifest (benchmarks/baseline.py)
MAX_INPUT_NUMBERS = 1 << 24

# Data sets (dataset)
MAX_CSV_BYTES = 64 * MIB

# Downloads and archives (training/data)
MAX_DOWNLOAD_BYTES = 64 << 30
MIN_DOWNLOAD_BYTES_PER_S = 1024  # averaged over the patience below
DOWNLOAD_PATIENCE_S = 45.0
DOWNLOAD_ANSWER_S = 30.0  # until a server has said its first lines
MIN_FREE_BYTES = 256 * MIB  # left on the disk while a file of unknown size comes
MAX_ARCHIVE_FILES = 1_000_000
MAX_UNPACKED_BYTES = 256 << 30
MAX_ARCHIVE_NAME_BYTES = 4096
