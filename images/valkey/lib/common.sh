# Shared by the scripts of this image. POSIX sh, sourced, never run.
# shellcheck shell=sh
#
# The password travels in the environment (REDISCLI_AUTH is valkey-cli's own variable) or
# in files of mode 0600, never on a command line, where every process could read it.

umask 077
export REDISCLI_AUTH="${VALKEY_PASSWORD:-}"

log() {
    echo "$(basename "$0"): $*" >&2
}

# require NAME...: stop unless each variable has a value.
require() {
    for name in "$@"; do
        eval "value=\${$name:-}"
        [ -n "$value" ] || { log "$name is not set"; exit 64; }
    done
}

# quoted TEXT: one argument of a Valkey configuration line, whatever it contains. Print it with
# printf: the echo of sh would interpret the backslashes.
quoted() {
    case $1 in
        *[[:cntrl:]]*) log "a value contains a control character"; exit 64 ;;
    esac
    printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

# ask HOST PORT COMMAND...: the raw reply. Fails when there is no answer within 2 s, and
# when the answer is an error (its text still comes out).
ask() {
    host=$1 port=$2
    shift 2
    timeout 2 valkey-cli -e --no-auth-warning --raw -h "$host" -p "$port" "$@" 2>&1
}

# field NAME: the value of a "name:value" line of an INFO reply on standard input.
field() {
    tr -d '\r' | sed -n "s/^$1://p"
}

# member_host PEERS: this pod's own name among the comma-separated DNS names.
member_host() {
    for peer in $(echo "$1" | tr ',' ' '); do
        [ "${peer%%.*}" = "$POD_NAME" ] && { echo "$peer"; return; }
    done
    log "no name in PEERS=$1 belongs to POD_NAME=$POD_NAME"
    exit 64
}
