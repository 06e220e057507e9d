#!/bin/sh
# Leave out of the image what a station never loads; says what that saved. trim.sh environment FOLDER | system
#
# Networks run on LiteRT alone: ONNX Runtime is the other engine, and gives the same answers. LiteRT's WebGPU accelerator,
# plug-ins for other makers' chips and compiler are for other boards. Tests, headers and type stubs are read by nobody
# here. OpenCV brings an OpenBLAS of 38 MB with kernels for every processor, and calls 22 functions of it, none in the
# loop: Debian's LAPACK has them. The system keeps no package manager: a newer image is the update.
set -eu
size() { du -smx "$1" | cut -f1; }

environment() {
    before=$(size "$1")
    packages=$(echo "$1"/lib/python3*/site-packages)
    cd "$packages"
    rm -rf onnxruntime onnxruntime-*.dist-info sympy mpmath ai_edge_litert/libLiteRtWebGpuAccelerator.so \
        ai_edge_litert/tools ai_edge_litert/vendors ai_edge_litert/aot numpy/f2py numpy/_core/include numpy/_core/lib \
        numpy/random/lib PIL/_avif* pillow.libs/libavif* waste_edge/_shipped/benchmarks/results waste_edge/_shipped/training/results
    find . -depth \( -name __pycache__ -o -name tests \) -type d ! -path './waste_edge/*' -exec rm -rf {} +
    find . \( -name '*.pyi' -o -name '*.pxd' -o -name '*.a' \) -delete
    # Of what Rich could colour, Python: it names the lexers it has.
    find pygments/lexers -name '*.py' ! -name '_*' ! -name python.py ! -name special.py ! -name text.py -delete
    lapack=$(ls /usr/lib/*/lapack/liblapack.so.3)
    for blas in opencv_python_headless.libs/libopenblas*; do
        ln -sf "$lapack" "$blas"
    done
    rm -f opencv_python_headless.libs/libgfortran* opencv_python_headless.libs/libquadmath*
    # Compiled here: the root is read-only, and each start would compile everything anew.
    # Not what a station never imports.
    never='waste_edge/(training|export|plots)/|pygments/|cryptography/|numpy/(ma|testing|polynomial|typing|_typing)/'
    never="$never|google/|tqdm/|pycparser/|cffi/|ai_edge_litert/(schema_py_generated|wrappers_pb2)|setuptools/|pkg_resources/"
    "$1/bin/python" -m compileall -q -x "$never" . >/dev/null
    echo "trim: $1: $before MB, now $(size "$1") MB"
}

system() {
    before=$(size /)
    rm -rf /var/lib/apt /var/cache/apt /var/cache/debconf /var/log/* /usr/share/doc /usr/share/man /usr/share/locale \
        /usr/share/info /usr/share/lintian /usr/share/bash-completion /usr/share/perl* /usr/lib/x86_64-linux-gnu/perl-base \
        /usr/lib/aarch64-linux-gnu/perl-base /usr/lib/python3*/pydoc_data /usr/lib/python3*/idlelib /usr/lib/python3*/test \
        /usr/lib/valgrind /usr/lib/x86_64-linux-gnu/gconv /usr/lib/aarch64-linux-gnu/gconv
    # The last call of dpkg: it takes its own files along.
    dpkg --force-all --purge apt libapt-pkg7.0 sqv debian-archive-keyring perl-base debconf libdb5.3t64 e2fsprogs \
        libext2fs2t64 logsave util-linux mount login login.defs passwd sysvinit-utils ncurses-bin libsystemd0 libudev1 \
        bsdutils diffutils >/dev/null 2>&1 || true
    rm -rf /usr/bin/localedef /usr/share/terminfo /usr/share/tabset /usr/share/polkit-1 /usr/bin/lscpu /usr/bin/lsblk
    rm -rf /var/lib/dpkg /usr/bin/dpkg* /usr/share/dpkg /usr/bin/perl* /usr/bin/openssl /usr/sbin/ldconfig
    echo "trim: the system: $before MB, now $(size /) MB"
}

"$@"
