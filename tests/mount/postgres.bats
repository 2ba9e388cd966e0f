#!/usr/bin/env bats
# PostgreSQL with its dynamic shared memory in a mount over /dev/shm.
#
# variants: default asan  (it maps its shared memory)

load shell

setup() {
    mkdir -p "$MNT"
    chmod 755 "$TEST_DIR"
    native "$TEST_DIR/raw"
    BASE=$TEST_DIR/base
    PROGRAMS=$(dirname "$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
    [ -x "$PROGRAMS/initdb" ]
    install -d -m 700 -o "$NOBODY" -g "$NOBODY" "$BASE"
    export HOME=$TEST_DIR PGHOST=$BASE PGUSER=tester PGDATABASE=postgres
}

teardown() {
    [ ! -f "$BASE/data/postmaster.pid" ] || database_stop immediate || true
    common_teardown
}

as_postgres() {
    setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups "$@"
}

database_start() {
    as_postgres "$PROGRAMS/initdb" -D "$BASE/data" -U tester -A trust --no-sync \
        >"$TEST_DIR/initdb" 2>&1
    cat >>"$BASE/data/postgresql.conf" <<-END
	listen_addresses = ''
	unix_socket_directories = '$BASE'
	dynamic_shared_memory_type = posix
	min_dynamic_shared_memory = 4MB
	shared_buffers = 4MB
	fsync = off
	max_parallel_workers_per_gather = 2
	parallel_setup_cost = 0
	parallel_tuple_cost = 0
	min_parallel_table_scan_size = 0
	END
    server_start
}

server_start() {
    as_postgres "$PROGRAMS/pg_ctl" -D "$BASE/data" -l "$BASE/log" -w -t 60 start \
        >/dev/null 2>&1 3>&-
}

database_stop() {
    as_postgres "$PROGRAMS/pg_ctl" -D "$BASE/data" -w -m "${1:-fast}" stop >/dev/null
}

ask() {
    timeout 60 "$PROGRAMS/psql" -X -A -t -q -v ON_ERROR_STOP=1 -c "$1"
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
