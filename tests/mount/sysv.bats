#!/usr/bin/env bats
# System V segments and shell tools: look inside, copy, compare, make, remove.

load recovery

export SOURCE=sysv
KEY=0x000004d2

setup() {
    mkdir -p "$MNT"
    chmod 755 "$TEST_DIR"
    FILE=$TEST_DIR/file
    head -c 100001 /dev/urandom >"$FILE"
}

# The namespace is this file's own, for all of its tests.
teardown() {
    ipcrm --all=shm
    [ ! -f "${BASE:-}/data/postmaster.pid" ] || database_stop immediate || true
    common_teardown
}

# field NAME [KEY]: of the segment, as the kernel has it in /proc/sysvipc/shm.
field() {
    local key=${2:-$KEY}
    awk -v name="$1" -v key=$((key)) '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
        ($column["key"] + 4294967296) % 4294967296 == key { print $column[name] }' \
        /proc/sysvipc/shm
}

as_postgres() {
    setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups "$@"
}

# PostgreSQL with its main shared memory in a System V segment.
database_start() {
    PROGRAMS=$(dirname "$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
    BASE=$TEST_DIR/base
    export HOME=$TEST_DIR PGHOST=$BASE PGUSER=tester PGDATABASE=postgres
    install -d -m 700 -o "$NOBODY" -g "$NOBODY" "$BASE"
    as_postgres "$PROGRAMS/initdb" -D "$BASE/data" -U tester -A trust --no-sync >"$TEST_DIR/initdb" 2>&1
    cat >>"$BASE/data/postgresql.conf" <<-END
	listen_addresses = ''
	unix_socket_directories = '$BASE'
	shared_memory_type = sysv
	dynamic_shared_memory_type = mmap
	shared_buffers = 16MB
	fsync = off
	END
    as_postgres "$PROGRAMS/pg_ctl" -D "$BASE/data" -l "$BASE/log" -w -t 60 start \
        >/dev/null 2>&1 3>&-
}

database_stop() {
    as_postgres "$PROGRAMS/pg_ctl" -D "$BASE/data" -w -m "${1:-fast}" stop >/dev/null
}

@test "it shows as sysv, and ends with its mount" {
    mount_start
    grep -q "^sysv $MNT fuse.shmfs " /proc/mounts
    mount_stop
}

@test "cp makes a segment of a file's size, and copies it back" {
    mount_start
    cp "$FILE" "$MNT/$KEY"
    [ "$(field size)" = 100001 ]
    [ "$(field nattch)" = 0 ]
    cmp "$FILE" "$MNT/$KEY"
    cp "$MNT/$KEY" "$TEST_DIR/back"
    cmp "$FILE" "$TEST_DIR/back"
    [ "$(md5sum <"$MNT/$KEY")" = "$(md5sum <"$FILE")" ]
    [ "$(xxd "$MNT/$KEY" | md5sum)" = "$(xxd "$FILE" | md5sum)" ]
}

@test "cp refills an existing segment, whose size stays" {
    mount_start
    truncate -s 200000 "$MNT/$KEY"
    cp "$FILE" "$MNT/$KEY"
    [ "$(field size)" = 200000 ]
    cmp -n 100001 "$FILE" "$MNT/$KEY"
    head -c 200001 /dev/zero >"$TEST_DIR/longer"
    run cp "$TEST_DIR/longer" "$MNT/$KEY"
    expect 1 "No space left"
}

@test "truncate and fallocate make segments" {
    mount_start
    truncate -s 1M "$MNT/$KEY"
    [ "$(field size)" = 1048576 ]
    fallocate -l 5000 "$MNT/0x000004d3"
    [ "$(stat -c %s "$MNT/0x000004d3")" = 5000 ]
    run truncate -s 2M "$MNT/$KEY"
    expect 1 "Operation not permitted"
    truncate -s 1M "$MNT/$KEY"
}

@test "a shell's redirection makes a segment; an empty file is none yet" {
    mount_start
    echo hello >"$MNT/$KEY"
    [ "$(field size)" = 6 ]
    [ "$(cat "$MNT/$KEY")" = hello ]
    : >"$MNT/0x000004d3"
    [ ! -e "$MNT/0x000004d3" ]
}

@test "dd changes bytes in place" {
    mount_start
    cp "$FILE" "$MNT/$KEY"
    printf changed | dd of="$MNT/$KEY" bs=1 seek=50000 conv=notrunc status=none
    printf changed | dd of="$FILE" bs=1 seek=50000 conv=notrunc status=none
    cmp "$FILE" "$MNT/$KEY"
    run dd if=/dev/zero of="$MNT/$KEY" bs=1000 seek=100 conv=notrunc
    expect 1 "No space left"
    [ "$(field size)" = 100001 ]
}

@test "tar keeps segments, and makes them again" {
    mount_start
    cp "$FILE" "$MNT/$KEY"
    echo small >"$MNT/0x000004d3"
    chmod 640 "$MNT/$KEY"
    tar -C "$MNT" -cf "$TEST_DIR/archive" .
    tar -C "$MNT" -df "$TEST_DIR/archive" "./$KEY" ./0x000004d3
    rm "$MNT"/0x*
    tar -C "$MNT" -xmf "$TEST_DIR/archive" "./$KEY" ./0x000004d3 # without times
    cmp "$FILE" "$MNT/$KEY"
    [ "$(field perms)" = 640 ]
    [ "$(cat "$MNT/0x000004d3")" = small ]
}

@test "a listing is of now, and the folder's times stay as they are while it is looked into" {
    local times number
    mount_start
    cp "$FILE" "$MNT/$KEY"
    times=$(stat -c '%x %y %z' "$MNT")
    for number in {1..5}; do
        [ "$(find "$MNT" -mindepth 1 | wc -l)" = "$number" ]
        ipcmk -M 100 >/dev/null
        cat "$MNT/$KEY" >/dev/null
        kill -KILL "$(getfattr --only-values -n user.shmfs.worker "$MNT")"
        sleep 0.1 # a quiet folder is one whose listing could be kept
    done
    [ "$(stat -c '%x %y %z' "$MNT")" = "$times" ]
}

@test "rm, chmod and chown are IPC_RMID and IPC_SET" {
    mount_start
    ipcmk -M 5000 -p 600
    name=$(ls "$MNT")
    chmod 644 "$MNT/$name"
    chown "$NOBODY:7" "$MNT/$name"
    [ "$(field perms "$name") $(field uid "$name") $(field gid "$name") $(field cuid "$name")" = "644 $NOBODY 7 0" ]
    rm "$MNT/$name"
    [ -z "$(field size "$name")" ]
    [ -z "$(ls "$MNT")" ]
}

@test "what others make is theirs, and closed to those that it is closed to" {
    mount_start
    run_as "$NOBODY" sh -c "umask 077; cp '$FILE' '$MNT/$KEY'"
    [ "$(field uid) $(field cuid) $(field perms)" = "$NOBODY $NOBODY 600" ]
    echo secret >"$MNT/0x000004d3"
    chmod 600 "$MNT/0x000004d3"
    run run_as "$NOBODY" cat "$MNT/0x000004d3"
    expect 1 "Permission denied"
    run run_as "$NOBODY" rm -f "$MNT/0x000004d3"
    expect 1 "Operation not permitted"
    run_as "$NOBODY" rm "$MNT/$KEY"
}

@test "the kernel's limits are cp's and truncate's errors" {
    mount_start
    cp "$FILE" "$MNT/0x000004d3"
    before=$(cat /proc/sys/kernel/shmmax)
    echo 100000 >/proc/sys/kernel/shmmax
    run cp "$FILE" "$MNT/$KEY"
    expect 1 "Invalid argument"
    run truncate -s 100001 "$MNT/$KEY"
    expect 1 "Invalid argument"
    echo "$before" >/proc/sys/kernel/shmmax
    before=$(cat /proc/sys/kernel/shmmni)
    echo 1 >/proc/sys/kernel/shmmni
    run cp "$FILE" "$MNT/$KEY"
    expect 1 "No space left"
    echo "$before" >/proc/sys/kernel/shmmni
    [ "$(ls "$MNT")" = 0x000004d3 ]
}

@test "getfattr shows what ipcs shows" {
    mount_start
    cp "$FILE" "$MNT/$KEY"
    for name in cpid lpid nattch shmid rss swap; do
        [ "$(getfattr --only-values -n "user.shmfs.$name" "$MNT/$KEY")" = "$(field $name)" ]
    done
    [ "$(getfattr -d "$MNT/$KEY" | grep -c '^user\.shmfs\.')" = 12 ]
    run setfattr -n user.shmfs.key -v 1 "$MNT/$KEY"
    expect 1 "Operation not permitted"
}

@test "another namespace's segments are shown with ipcns" {
    unshare --ipc sh -c 'ipcmk -M 7000 >/dev/null; exec sleep 60' 3>&- &
    other=$!
    wait_until 10 grep -q sleep "/proc/$other/comm"
    mount_start "ipcns=$other"
    [ "$(stat -c %s "$MNT"/0x*)" = 7000 ]
    [ -z "$(field size)" ]
    echo elsewhere >"$MNT/$KEY"
    [ -z "$(field size)" ]
    nsenter --ipc --target "$other" ipcs -m | grep -q "^$KEY"
    worker_of "$(supervisor)"
    kill -KILL "$WORKER" # the next one is in it as well
    [ "$(cat "$MNT/$KEY")" = elsewhere ]
    kill "$other"
}

@test "a namespace that cannot be entered is an error that says so" {
    run mount_start ipcns=999999999
    expect 1 "ipcns=999999999: the IPC namespace cannot be entered: No such file"
    run mount_start ipcns=/proc/self/ns/mnt
    expect 1 "that is no IPC namespace"
    SOURCE=posix run mount_start ipcns=1
    expect 2 "posix does not depend on an IPC namespace"
}

@test "nothing fails while workers are killed" {
    mount_start
    disturbed kill_while 0.05 "$PYTHON" "$HERE/python/segments.py" "$MNT" 5
    [ -z "$(ls "$MNT")" ]
}

@test "what is appended before there is a segment is there once, although workers are killed" {
    mount_start
    disturbed kill_while 0.02 "$PYTHON" "$CRASH/append.py" "$MNT/$KEY" 4
}

@test "nothing fails while the program is replaced" {
    mount_start
    disturbed reload_while 0.5 "$PYTHON" "$HERE/python/segments.py" "$MNT" 4
}

@test "a file that is being written becomes a segment although the worker is killed" {
    mount_start
    worker_of "$(supervisor)"
    { # by one process, whose only close is the last
        printf 'before '
        kill -KILL "$WORKER"
        printf 'after'
    } >"$MNT/$KEY"
    [ "$(cat "$MNT/$KEY")" = "before after" ]
}

@test "PostgreSQL's segment is shown, and unharmed by being read while pgbench runs" {
    mount_start
    database_start
    name=$(ls "$MNT")
    [ "$(stat -c '%u %a %s' "$MNT/$name")" = "$NOBODY 600 $(field size "$name")" ]
    [ "$(field size "$name")" -gt 16000000 ]
    [ "$(getfattr --only-values -n user.shmfs.nattch "$MNT/$name")" = "$(field nattch "$name")" ]
    [ "$(field nattch "$name")" -gt 1 ]
    "$PROGRAMS/pgbench" -i -s 1 -q >"$TEST_DIR/bench" 2>&1
    "$PROGRAMS/pgbench" -c 2 -t 500 >"$TEST_DIR/bench" 2>&1 3>&- &
    bench=$!
    reads=0
    while kill -0 $bench 2>/dev/null; do
        cat "$MNT/$name" >"$TEST_DIR/copy"
        reads=$((reads + 1))
    done
    wait $bench
    echo "# $reads reads; $(grep tps "$TEST_DIR/bench")"
    [ $reads -gt 0 ]
    grep -q 'actually processed: 1000/1000' "$TEST_DIR/bench"
    grep -q pgbench_accounts "$MNT/$name" # a table's name, in a page that is cached
    [ "$("$PROGRAMS/psql" -XAtqc 'SELECT count(*) FROM pgbench_history')" = 1000 ]
    database_stop
    [ -z "$(ls "$MNT")" ]
}
