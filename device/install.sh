#!/bin/sh
# A fresh Raspberry Pi OS Lite (64-bit, Bookworm or Trixie) becomes a running station. May be repeated: what is done stays
# done, a newer version is installed beside the old one, and goes back if it is not ready.
#
#   sudo device/install.sh                     in a checkout; downloads what it needs
#   sudo ./install.sh --wheels DIR             no network: DIR is made elsewhere, by device/gather_wheels.sh
#   sudo ./install.sh … --config station.toml  begin with these settings, unless there are some already
#   ./install.sh … --dry-run                   print what would be done, and change nothing
#
# Packages (venv, picamera2), an environment in /opt/waste-edge, then `waste-edge service install` for the user, the groups
# and the unit, then `waste-edge doctor`. Exit code 0: the service runs. 1: a step failed. 2: something you can mend.
set -eu
umask 022
# Python imports nothing from the folder that this is started in (-P), nor from where a user's settings point.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP
export PYTHONSAFEPATH=1

home=${WASTE_EDGE_HOME:-/opt/waste-edge} # a test's own
wheels='' config='' dry='' made='' work=/tmp/waste-edge-install # the dry run's; else a folder of our own

main() {
    read_arguments "$@"
    look_around
    install_packages
    install_program
    install_service
    examine
}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
        --wheels | --config)
            case ${2:-} in '' | -*) mend "$1: expected a path after it" ;; esac
            case $1 in --wheels) wheels=$(absolute "$2") ;; --config) config=$(absolute "$2") ;; esac
            shift
            ;;
        --dry-run) dry=yes ;;
        -h | --help)
            sed -n '2,11s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) mend "$1: unknown; expected --wheels DIR, --config FILE, --dry-run" ;;
        esac
        shift
    done
    [ -z "$wheels" ] || [ -d "$wheels" ] || mend "--wheels $wheels: no such folder; device/gather_wheels.sh makes one"
    [ -z "$config" ] || [ -f "$config" ] || mend "--config $config: no such file; device/station.toml is one to start from"
}

look_around() {
    checkout=$(cd "$(dirname "$0")/.." && pwd)
    if [ -n "$wheels" ]; then
        set -- "$wheels"/waste_edge-*.whl
        if [ $# -ne 1 ] || [ ! -f "$1" ]; then
            mend "$wheels: expected one waste_edge-*.whl; device/gather_wheels.sh puts it there"
        fi
        source=$1
    else
        [ -f "$checkout/pyproject.toml" ] || mend "$0 is not in a checkout: say --wheels DIR, or run it as device/install.sh of one"
        source=$checkout
    fi
    [ -n "$dry" ] || [ "$(id -u)" = 0 ] || mend "needs root: sudo $0 (--dry-run does not)"
    command -v systemctl >/dev/null || mend "systemctl: not on this machine; a station runs under systemd"
    command -v python3 >/dev/null || mend "python3: not on this machine; sudo apt-get install python3"
    python3 -P -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        mend "$(python3 --version): too old; Raspberry Pi OS Bookworm or later has what is needed"
    # Bits, memory, room on the card: the package's own check, taken from where it is installed from.
    env PYTHONPATH="$source" PYTHONDONTWRITEBYTECODE=1 python3 -P -m waste_edge.device.service.environments \
        --home "$home" --check || exit $?
}

install_packages() {
    missing python3-venv && packages=python3-venv || packages=
    missing python3-picamera2 && camera=python3-picamera2 || camera=
    [ -n "$packages$camera" ] || return 0
    # Fails fast where there is no network.
    do_ apt-get -q -o Acquire::Retries=0 -o Acquire::http::Timeout=20 update || say "apt-get update failed; going on with what is known"
    if [ -n "$packages" ]; then
        do_ env DEBIAN_FRONTEND=noninteractive apt-get -qy install "$packages" || fail "$packages could not be installed"
    fi
    if [ -n "$camera" ]; then
        do_ env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends install "$camera" ||
            say "$camera could not be installed: USB cameras work, a ribbon camera does not until sudo apt-get install $camera"
    fi
}

missing() {
    ! dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# Into $home, and `waste-edge service update` if a service runs from there already. The code that knows how to lay out
# environments is the package's own, taken from where it is installed from: Python reads it out of a wheel, too.
install_program() {
    online=''
    if [ -z "$wheels" ]; then
        online=--online
        if [ -z "$dry" ]; then
            made=$(mktemp -d)
            work=$made
        fi
        wheels=$work/wheels
        do_ python3 -P -m venv "$work/builder" || fail "python3 -m venv failed"
        do_ "$work/builder/bin/pip" wheel --quiet --no-deps --wheel-dir "$wheels" "$checkout" ||
            fail "the checkout's wheel could not be built; see above"
    fi
    program=$home/current/bin/waste-edge
    if [ -x "$program" ] && [ -f /etc/systemd/system/waste-edge.service ]; then
        do_ "$program" service update --wheels "$wheels" $online || fail "the update failed; see above"
    else
        do_ env PYTHONPATH="$source" PYTHONDONTWRITEBYTECODE=1 python3 -P -m waste_edge.device.service.environments \
            --home "$home" --wheels "$wheels" $online || fail "the environment could not be made; see above"
    fi
}

install_service() {
    if [ -n "$config" ]; then set -- --config "$config"; else set --; fi
    do_ "$program" service install "$@" || fail "the service is not ready; see above, and: $program service logs"
}

examine() {
    [ -d /usr/local/bin ] && do_ ln -sf "$program" /usr/local/bin/waste-edge
    do_ "$program" doctor || say "the doctor found something to mend, above; the service runs meanwhile"
    [ -n "$dry" ] || say "the station runs, now and at every boot; set it up with: sudo waste-edge setup"
}

absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac }
say() { echo "install.sh: $*" >&2; }
fail() { say "$*" && exit 1; }
mend() { say "$*" && exit 2; }
do_() {
    echo "\$ $*"
    [ -n "$dry" ] || "$@"
}

trap '[ -z "$made" ] || rm -rf "$made"' EXIT
main "$@"
