# shellcheck shell=bash
# What the tests with PostgreSQL share: a cluster of its own, and asking its server. "load postgres"
# in place of "load shell".

load shell

# cluster_prepare: $BASE, an ordinary user's folder for the cluster and the server's socket; $PROGRAMS.
cluster_prepare() {
    chmod 755 "$TEST_DIR"
    BASE=$TEST_DIR/base
    PROGRAMS=$(dirname "$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
    [ -x "$PROGRAMS/initdb" ]
    install -d -m 700 -o "$NOBODY" -g "$NOBODY" "$BASE"
    export HOME=$TEST_DIR PGHOST=$BASE PGUSER=tester PGDATABASE=postgres
}

as_postgres() {
    setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups "$@"
}

# cluster_make [SIZE]: a new cluster with so much shared memory set aside (4MB), whose server works in parallel wherever it can.
cluster_make() {
    as_postgres "$PROGRAMS/initdb" -D "$BASE/data" -U tester -A trust --no-sync \
        >"$TEST_DIR/initdb" 2>&1
    cat >>"$BASE/data/postgresql.conf" <<-END
	listen_addresses = ''
	unix_socket_directories = '$BASE'
	dynamic_shared_memory_type = posix
	min_dynamic_shared_memory = ${1:-4MB}
	shared_buffers = 4MB
	fsync = off
	max_parallel_workers_per_gather = 2
	parallel_setup_cost = 0
	parallel_tuple_cost = 0
	min_parallel_table_scan_size = 0
	END
}

ask() {
    timeout 60 "$PROGRAMS/psql" -X -A -t -q -v ON_ERROR_STOP=1 -c "$1"
}
