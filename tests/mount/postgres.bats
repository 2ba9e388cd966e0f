#!/usr/bin/env bats
# PostgreSQL with its dynamic shared memory in a mount over /dev/shm.
#
# variants: default asan  (it maps its shared memory)

load postgres

setup() {
    mkdir -p "$MNT"
    native "$TEST_DIR/raw"
    cluster_prepare
}

teardown() {
    [ ! -f "$BASE/data/postmaster.pid" ] || database_stop immediate || true
    common_teardown
}

database_start() {
    cluster_make
    server_start
}

server_start() {
    as_postgres "$PROGRAMS/pg_ctl" -D "$BASE/data" -l "$BASE/log" -w -t 60 start \
        >/dev/null 2>&1 3>&-
}

database_stop() {
    as_postgres "$PROGRAMS/pg_ctl" -D "$BASE/data" -w -m "${1:-fast}" stop >/dev/null
}

segments() {
    find "$TEST_DIR/raw" -name 'PostgreSQL.*' | wc -l
}

@test "PostgreSQL starts, joins in parallel, and leaves nothing when it stops" {
    mount_at "$SHM"
    database_start || {
        cat "$TEST_DIR/initdb" "$BASE/log"
        return 1
    }
    [ "$(segments)" -gt 0 ]
    [ "$(stat -c %u "$TEST_DIR"/raw/PostgreSQL.* | uniq)" = "$NOBODY" ]
    ask "CREATE TABLE numbers AS SELECT n, n % 100 AS part FROM generate_series(1, 100000) n"
    ask "ANALYZE numbers"
    plan=$(ask "EXPLAIN (ANALYZE) SELECT part, sum(n) FROM numbers GROUP BY part")
    [[ $plan == *"Workers Launched: 2"* ]]
    for _ in {1..5}; do
        [ "$(ask "SELECT sum(a.n) FROM numbers a JOIN numbers b ON a.n = b.n")" = 5000050000 ]
    done
    database_stop
    [ "$(segments)" = 0 ]
    mount_stop "$SHM"
}

no_server() {
    ! pgrep -x postgres >/dev/null
}

@test "PostgreSQL that crashes finds its old segments, and removes them, at the next start" {
    mount_at "$SHM"
    database_start
    ask "CREATE TABLE kept AS SELECT 1 AS n"
    kill -KILL "$(head -n 1 "$BASE/data/postmaster.pid")"
    wait_until 20 no_server
    [ "$(segments)" -gt 0 ]
    server_start
    [ "$(ask "SELECT n FROM kept")" = 1 ]
    database_stop
    [ "$(segments)" = 0 ]
}
