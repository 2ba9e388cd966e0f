# shellcheck shell=bash
# What the tests of recovery and upgrade add to shell.bash: the daemon's processes, and disturbing
# them while something runs. "load recovery" in place of "load shell".

load shell

CRASH=$HERE/../crash                     # the programs' sources, and those in Python
PROGRAMS=$(dirname "$SHMFS")/../tests/crash # the built ones
export CRASH PROGRAMS

# A daemon of the sanitizers' build leaves the signals to the test, which ends it with them.
for name in segv abort sigbus sigill sigfpe; do
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:handle_$name=0
done
export ASAN_OPTIONS

# Options of load and fsx: without passthrough there are no shared mappings.
MMAP=()
# shellcheck disable=SC2034 # for the tests
! without_passthrough || MMAP=(--no-mmap)

# start_foreground PROGRAM [OPTIONS]: mounts with it as a child of this shell, $MAIN, that logs to
# $LOG.
start_foreground() {
    local options
    mapfile -t options < <(mount_options "${2:-}")
    LOG=$TEST_DIR/log
    "$1" posix "$MNT" "${options[@]}" -f >"$LOG" 2>&1 </dev/null 3>&- 4>&- &
    # shellcheck disable=SC2034 # for the tests
    MAIN=$!
    wait_until 20 mountpoint -q "$MNT"
    wait_until 20 stat "$MNT" >"$TEST_DIR/stat.log"
}

# The process that owns the mount: the shmfs whose parent is none.
supervisor() {
    local pid
    for pid in $(daemon_processes); do
        [ "$(cat "/proc/$(ps -o ppid= -p "$pid" | tr -d ' ')/comm" 2>/dev/null)" = shmfs ] ||
            echo "$pid"
    done | head -n 1
}

# worker_of SUPERVISOR: its child that serves, at this moment, in $WORKER; empty between two. No
# process is started for it, so that it can be asked often.
worker_of() {
    local child children=() name
    WORKER=
    { read -ra children <"/proc/$1/task/$1/children"; } 2>/dev/null || true # no newline at its end
    for child in "${children[@]}"; do
        { read -r name <"/proc/$child/comm"; } 2>/dev/null || continue
        [ "$name" != shmfs-worker ] || WORKER=$child
    done
}

another_worker() {
    worker_of "$1"
    [ -n "$WORKER" ] && [ "$WORKER" != "$2" ]
}

descriptors() {
    find "/proc/$1/fd" -mindepth 1 | wc -l
}

descriptors_at_most() {
    [ "$(descriptors "$1")" -le "$2" ]
}

# Free blocks and inodes of the raw folder's file system.
room() {
    stat -f -c '%f %d' "$SHM"
}

room_is() {
    [ "$(room)" = "$1" ]
}

runs() {
    kill -0 "$1" 2>/dev/null
}

# kill_while PID SUPERVISOR SECONDS: kills one worker after the other, that long apart, until PID
# has ended; prints how many. A worker that lives for less than a tenth of a second may count as one
# that cannot start, so after five short lives there is a longer one.
kill_while() {
    local pid=$1 supervisor=$2 seconds=$3 last='' kills=0
    while runs "$pid"; do
        worker_of "$supervisor"
        if [ -n "$WORKER" ] && [ "$WORKER" != "$last" ]; then
            last=$WORKER
            kill -KILL "$WORKER" 2>/dev/null || true
            kills=$((kills + 1))
            [ $((kills % 5)) != 0 ] || sleep 0.3
        fi
        sleep "$seconds"
    done
    echo "# $kills kills"
    [ $kills -gt 2 ]
}

# reload_while PID SUPERVISOR SECONDS: SIGHUP, that long apart, until PID has ended.
reload_while() {
    local pid=$1 supervisor=$2 seconds=$3 reloads=0
    while runs "$pid"; do
        kill -HUP "$supervisor"
        reloads=$((reloads + 1))
        sleep "$seconds"
    done
    echo "# $reloads reloads"
    [ $reloads -gt 2 ]
}

# disturbed DISTURBANCE SECONDS COMMAND...: runs the command while workers are killed (kill_while)
# or reloaded (reload_while). Afterwards no memory, no name and no descriptor is left over.
disturbed() {
    local disturbance=$1 seconds=$2 before fds main command status=0
    shift 2
    main=$(supervisor)
    before=$(room)
    # What is opened once and kept, such as the way to the system's log, is no loss.
    "$PYTHON" "$CRASH/across.py" once "$MNT" "$SHM"
    sleep 0.2 # until it has nothing to do
    fds=$(descriptors "$main")
    "$@" >"$TEST_DIR/command.log" 2>&1 </dev/null 3>&- &
    command=$!
    "$disturbance" "$command" "$main" "$seconds" || status=1
    wait "$command" || status=$?
    sed 's/^/# /' "$TEST_DIR/command.log" | tail -n 30
    [ $status = 0 ] && runs "$main" || return 1
    [ "$(ls -A "$SHM")" = "" ]
    wait_until 10 room_is "$before"
    wait_until 10 descriptors_at_most "$main" "$fds"
}

# across CASE: one of the cases in tests/crash/across.py.
across() {
    timeout 100 "$PYTHON" "$CRASH/across.py" "$1" "$MNT" "$SHM"
}
