#!/usr/bin/env bats
# PostgreSQL in a container of crun, with a mount as its /dev/shm: nothing is set aside, so that every parallel
# query makes segments of its own.
#
# variants: default

load postgres
load containers

setup() {
    mkdir -p "$MNT"
    cluster_prepare
    cluster_make 0
}

teardown() {
    [ -z "${SERVER:-}" ] || server_stop KILL || true
    common_teardown
}

answers() {
    ask "SELECT" 2>/dev/null
}

# server_start [OPTION...]: in a container, made with these options of oci-bundle.
server_start() {
    bundle --bind "$BASE" --user "$NOBODY" "$@" "$MNT" "$PROGRAMS/postgres" -D "$BASE/data"
    crun --root "$BUNDLE/state" --cgroup-manager=disabled run --bundle "$BUNDLE" server \
        >"$TEST_DIR/server" 2>&1 </dev/null 3>&- 4>&- &
    SERVER=$!
    wait_until 60 answers || {
        tail -n 20 "$TEST_DIR/server"
        return 1
    }
}

# server_stop [SIGNAL]: INT is PostgreSQL's own way to end fast.
server_stop() {
    crun --root "$BUNDLE/state" kill server "${1:-INT}"
    wait "$SERVER"
    SERVER=
}

segments() {
    find "$SHM" -name 'pg-PostgreSQL.*' | wc -l
}

make_numbers() {
    ask "CREATE TABLE numbers AS SELECT n, n % 100 AS part FROM generate_series(1, 100000) n"
    ask "ANALYZE numbers"
}

readonly JOIN="SELECT sum(a.n) FROM numbers a JOIN numbers b ON a.n = b.n"

expect_parallel_join() {
    [[ $(ask "EXPLAIN (ANALYZE) $JOIN") == *"Workers Launched: 2"*"Parallel Hash"* ]]
    [ "$(ask "$JOIN")" = 5000050000 ]
}

@test "PostgreSQL joins in parallel in a container with a user namespace" {
    chown -R "$((FIRST_ID + NOBODY)):$((FIRST_ID + NOBODY))" "$BASE"
    mount_start prefix=pg-,size=64m,nr_objects=100
    server_start --ids "$FIRST_ID"
    make_numbers
    [ "$(segments)" -gt 0 ]
    [ "$(stat -c %u "$SHM"/pg-PostgreSQL.* | uniq)" = $((FIRST_ID + NOBODY)) ]
    [ -z "$(find "$SHM" -name 'PostgreSQL.*')" ]
    expect_parallel_join
    server_stop
    [ "$(segments)" = 0 ]
}

@test "at the limit PostgreSQL says so itself and goes on, and a raised limit lets the query through" {
    printf '[shmfs]\nsize=3m\n' >"$TEST_DIR/limits.conf"
    mount_start "prefix=pg-,config=$TEST_DIR/limits.conf"
    server_start
    make_numbers
    run ask "$JOIN"
    [ "$status" != 0 ]
    grep "could not resize shared memory segment \"/PostgreSQL\.[0-9]*\" to [0-9]* bytes: No space left on device" \
        <<<"$output"
    [ "$(find "$SHM" -name 'pg-*' -printf '%s\n' | awk '{ s += $1 } END { print s }')" -le 3145728 ]
    head -c 4M /dev/zero >"$SHM/hosts"
    rm "$SHM/hosts"
    # What is small enough goes on, without waiting for anything.
    [ "$(ask "SET max_parallel_workers_per_gather = 0; $JOIN")" = 5000050000 ]
    printf '[shmfs]\nsize=64m\n' >"$TEST_DIR/limits.conf"
    "$SHMFS" --reload "$MNT"
    wait_until 30 expect_parallel_join
    server_stop
    [ "$(segments)" = 0 ]
}
