#!/bin/sh
# All that a station installs, in one folder, for boards without a network (and to flash a card that needs none).
#
#   device/gather_wheels.sh DIR [PYTHON [ARCHITECTURE]]
#
# PYTHON is the board's: 3.13 on Raspberry Pi OS Trixie (the default), 3.11 on Bookworm. ARCHITECTURE is aarch64 (the
# default) or x86_64. Run it on any machine with Python, pip and a network; take DIR to the board on a stick, then
#   sudo device/install.sh --wheels DIR      or, later,      sudo waste-edge service update --wheels DIR
set -eu

case $#${1:-} in
[123][!-]*) ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
folder=$1
python=${2:-3.13}
architecture=${3:-aarch64}
case $python in
3.11) glibc=36 numpy='numpy<2' ;; # Bookworm: its picamera2 is built against numpy 1
3.1[234]) glibc=41 numpy=numpy ;; # Trixie
*)
    echo "gather_wheels: PYTHON $python: expected 3.11, 3.12, 3.13 or 3.14, the board's own (python3 --version there)" >&2
    exit 2
    ;;
esac
checkout=$(cd "$(dirname "$0")/.." && pwd)
pip="${PIP:-python3 -m pip} --disable-pip-version-check"

# Every platform tag that the board's C library can run.
platforms=
while [ "$glibc" -ge 17 ]; do
    platforms="$platforms --platform manylinux_2_${glibc}_$architecture"
    glibc=$((glibc - 1))
done
platforms="$platforms --platform manylinux2014_$architecture"

mkdir -p "$folder"
rm -f "$folder"/waste_edge-*.whl # there may be one only
$pip wheel --quiet --no-deps --wheel-dir "$folder" "$checkout"
# shellcheck disable=SC2086  # the platforms are many words
$pip download --quiet --only-binary=:all: --implementation cp --python-version "$python" $platforms \
    --find-links "$folder" --dest "$folder" "$(echo "$folder"/waste_edge-*.whl)[gpio,mqtt,sign,web]" "$numpy"
# What the board holds them against; sign it where stations require a key (docs/security.md).
(cd "$folder" && rm -f SHA256SUMS SHA256SUMS.sig && sha256sum ./*.whl | sed 's|  \./|  |' >SHA256SUMS)
echo "$folder: $(find "$folder" -name '*.whl' | wc -l) wheels for Python $python on $architecture, $(du -sh "$folder" | cut -f1)"
