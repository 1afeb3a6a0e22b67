# What the Sentinels, the peers and the data directory say about this store.
# POSIX sh, sourced by start-valkey; reads STORE, PEERS, SENTINELS and ME (own DNS name).
#
# What these functions set is read by start-valkey, which shellcheck does not see from here.
# shellcheck shell=sh disable=SC2034

# read_sentinels: ask every Sentinel for the store's primary. Sets
#   asked, answered   how many Sentinels there are, and how many replied
#   primary           the host named at the highest configuration epoch ("" if none knows)
#   votes             how many Sentinels name that host
#   replicas          the largest number of replicas that any of them has ever seen
#   failing_over      "yes" while one of them is moving the primary
# The highest epoch wins because Sentinels themselves settle it that way: a Sentinel that
# was away names an old primary at an old epoch.
read_sentinels() {
    asked=0 answered=0 primary='' votes=0 replicas=0 failing_over=''
    epoch=-1
    for sentinel in $(echo "$SENTINELS" | tr ',' ' '); do
        asked=$((asked + 1))
        if ! reply=$(ask "${sentinel%:*}" "${sentinel##*:}" SENTINEL primary "$STORE"); then
            case $reply in *"No such"*) answered=$((answered + 1)) ;; esac
            continue
        fi
        answered=$((answered + 1))
        count_vote "$reply"
    done
}

# count_vote REPLY: fold one Sentinel's answer (name and value on alternate lines) in.
count_vote() {
    named='' its_epoch=0 its_replicas=0 flags=''
    while read -r key && read -r value; do
        case $key in
            ip) named=$value ;;
            config-epoch) its_epoch=$value ;;
            num-slaves | num-replicas) its_replicas=$value ;;
            flags) flags=$value ;;
        esac
    done <<END
$1
END
    case $flags in *failover_in_progress*) failing_over=yes ;; esac
    [ "$its_replicas" -gt "$replicas" ] && replicas=$its_replicas
    if [ "$its_epoch" -gt "$epoch" ]; then
        epoch=$its_epoch primary=$named votes=1
    elif [ "$its_epoch" -eq "$epoch" ] && [ "$named" = "$primary" ]; then
        votes=$((votes + 1))
    fi
}

# read_peers: ask the other members. Sets
#   holder   a peer that holds keys, or that already is a primary while no Sentinel knows one
#   silent   a peer that does not answer or is still loading: what it holds is unknown
read_peers() {
    holder='' silent=''
    for peer in $(echo "$PEERS" | tr ',' ' '); do
        [ "$peer" = "$ME" ] && continue
        if ! info=$(ask "$peer" 6379 INFO keyspace persistence replication); then
            silent=$peer
        elif [ "$(echo "$info" | field loading)" != 0 ]; then
            silent=$peer
        elif echo "$info" | grep -q '^db[0-9]*:keys='; then
            holder=$peer
        elif [ -z "$primary" ] && [ "$(echo "$info" | field role)" = master ]; then
            holder=$peer
        fi
    done
}

# own_data: succeeds when the data directory holds at least one key. A Valkey that started
# empty leaves files too, so their existence proves nothing.
own_data() {
    for file in /data/appendonlydir/*.incr.aof /data/appendonlydir/*.base.aof; do
        [ -s "$file" ] && return 0
    done
    for file in /data/appendonlydir/*.base.rdb /data/dump.rdb; do
        [ -s "$file" ] || continue
        # A file without keys has a few hundred bytes of header; a large one need not be read.
        [ "$(stat -c %s "$file")" -gt 4096 ] && return 0
        valkey-check-rdb "$file" 2>/dev/null | grep -q ' [1-9][0-9]* keys read' && return 0
    done
    return 1
}

# keeps_data: succeeds when the store's configuration writes to disk.
keeps_data() {
    grep -Eq '^[[:space:]]*(appendonly[[:space:]]+yes|save[[:space:]]+"?[0-9])' \
        /etc/valkey/valkey.conf
}
