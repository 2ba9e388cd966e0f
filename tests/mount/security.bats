#!/usr/bin/env bats
# What docs/security.md says of root's mount, sentence by sentence.

load recovery

readonly CAPABILITY_ADMIN=21 # CAP_SYS_ADMIN

# status_of PID FIELD: a line of /proc/PID/status.
status_of() {
    awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status"
}

# capability PID FIELD NUMBER: is it in that set?
capability() {
    (((0x$(status_of "$1" "$2") >> $3) & 1))
}

watcher_of() {
    pgrep -P "$1" -x shmfs-watcher
}

# no_more_than PID FIELD CAPABILITY...: nothing but these, by the names of capsh(1).
no_more_than() {
    local pid=$1 field=$2 allowed have name
    shift 2
    allowed=" $* "
    have=$(capsh --decode="$(status_of "$pid" "$field")")
    for name in $(tr , ' ' <<<"${have#*=}"); do
        [[ "$allowed" == *" $name "* ]] || {
            echo "$pid has $name in $field"
            return 1
        }
    done
}

SERVING=(cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_fsetid cap_ipc_owner
    cap_linux_immutable cap_mknod cap_setfcap cap_setgid cap_setuid cap_sys_admin
    cap_sys_resource)
# The sanitizers stop threads.
[ "$SHMFS_VARIANT" != asan ] || SERVING+=(cap_sys_ptrace)

confined() {
    local supervisor=$1 pid
    worker_of "$supervisor"
    for pid in "$supervisor" "$WORKER" "$(watcher_of "$supervisor")"; do
        no_more_than "$pid" CapPrm "${SERVING[@]}"
        no_more_than "$pid" CapBnd "${SERVING[@]}"
        no_more_than "$pid" CapInh
        no_more_than "$pid" CapAmb
        [ "$(status_of "$pid" NoNewPrivs)" = 1 ]
    done
    no_more_than "$supervisor" CapEff cap_sys_admin cap_dac_override cap_dac_read_search
    no_more_than "$(watcher_of "$supervisor")" CapPrm
    capability "$WORKER" CapEff $CAPABILITY_ADMIN
}

@test "each process of root's daemon has the capabilities that its part needs, and no others" {
    mount_start
    wait_until 20 watcher_of "$(supervisor)"
    confined "$(supervisor)"
}

@test "a worker that takes over, and the next program, have no more" {
    mount_start
    main=$(supervisor)
    worker_of "$main"
    old=$WORKER
    kill -KILL "$old"
    wait_until 20 another_worker "$main" "$old"
    confined "$main"
    old=$WORKER
    "$SHMFS" --reload "$MNT"
    wait_until 20 another_worker "$main" "$old"
    wait_until 20 watcher_of "$main"
    confined "$main"
    echo served >"$MNT/file"
    [ "$(cat "$SHM/file")" = served ]
}

@test "a worker's system calls are filtered, and the supervisor's are not" {
    "$SHMFS" -V | grep -q '^system call filter: built in' || [ "$SHMFS_VARIANT" = asan ]
    mount_start
    worker_of "$(supervisor)"
    if [ "$SHMFS_VARIANT" = asan ]; then
        [ "$(status_of "$WORKER" Seccomp)" = "$(status_of "$$" Seccomp)" ]
    else
        [ "$(status_of "$WORKER" Seccomp)" = 2 ]
    fi
    [ "$(status_of "$(supervisor)" Seccomp)" = "$(status_of "$$" Seccomp)" ]
}

@test "no_seccomp leaves the filter out" {
    mount_start no_seccomp
    worker_of "$(supervisor)"
    [ "$(status_of "$WORKER" Seccomp)" = "$(status_of "$$" Seccomp)" ]
}

@test "without a supervisor the one process is confined as well, and takes its mount away" {
    mount_start no_supervise
    pid=$(daemon_processes)
    no_more_than "$pid" CapPrm "${SERVING[@]}"
    [ "$(status_of "$pid" NoNewPrivs)" = 1 ]
    kill -TERM "$pid"
    daemon_ended
    run mountpoint -q "$MNT"
    [ "$status" != 0 ]
}

@test "a set-user-id program of root refuses to run" {
    install -m 4755 "$SHMFS" "$TEST_DIR/shmfs"
    chmod 755 "$TEST_DIR"
    run setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups --inh-caps=-all \
        "$TEST_DIR/shmfs" posix "$MNT"
    [ "$status" = 1 ]
    [[ "$output" == *set-user-id* ]]
}

@test "what a user makes through the mount belongs to that user" {
    mount_start
    chmod 1777 "$SHM"
    run_as "$NOBODY" sh -c "echo x >'$MNT/file' && mkdir '$MNT/folder' && mkfifo '$MNT/fifo'"
    [ "$(stat -c %u:%g "$SHM/file" "$SHM/folder" "$SHM/fifo" | sort -u)" = "$NOBODY:$NOBODY" ]
}

@test "a user may not read, change, remove or map what the modes do not allow" {
    echo secret >"$SHM/secret"
    chmod 600 "$SHM/secret"
    echo public >"$SHM/public"
    chmod 644 "$SHM/public"
    mount_start
    cat "$MNT/secret" "$MNT/public" >"$TEST_DIR/read" # both are known to the mount, and open slots are left
    run run_as "$NOBODY" cat "$MNT/secret"
    expect 1 "Permission denied"
    run run_as "$NOBODY" sh -c "echo x >>'$MNT/public'"
    [ "$status" != 0 ]
    run run_as "$NOBODY" truncate -s 0 "$MNT/public"
    [ "$status" = 1 ]
    run run_as "$NOBODY" rm -f "$MNT/public"
    [ "$status" = 1 ]
    run run_as "$NOBODY" mv "$MNT/public" "$MNT/mine"
    [ "$status" = 1 ]
    run run_as "$NOBODY" chmod 666 "$MNT/secret"
    [ "$status" = 1 ]
    run run_as "$NOBODY" chown "$NOBODY" "$MNT/secret"
    [ "$status" = 1 ]
    [ "$(cat "$SHM/secret" "$SHM/public" | paste -s)" = "secret	public" ]
}

@test "a user's write through the mount takes set-id bits away, as natively" {
    mount_start
    install -m 6777 -o root /dev/null "$SHM/program"
    run_as "$NOBODY" sh -c "echo x >>'$MNT/program'"
    [ "$(stat -c %a "$SHM/program")" = 777 ]
}

@test "a user's symbolic link is followed by whoever asks, never by the daemon" {
    echo secret >"$TEST_DIR/outside"
    chmod 600 "$TEST_DIR/outside"
    mount_start
    run_as "$NOBODY" ln -s "$TEST_DIR/outside" "$SHM/link"
    run run_as "$NOBODY" cat "$MNT/link"
    expect 1 "Permission denied"
    run run_as "$NOBODY" sh -c "echo x >'$MNT/link'"
    [ "$status" != 0 ]
    chmod 1777 "$SHM"
    run_as "$NOBODY" ln -s "$TEST_DIR/made" "$SHM/dangling"
    run run_as "$NOBODY" sh -c "echo x >'$MNT/dangling'"
    [ ! -e "$TEST_DIR/made" ]
    [ "$(cat "$TEST_DIR/outside")" = secret ]
}

@test "set-id programs and device nodes have no effect on the mount" {
    mount_start
    findmnt -no OPTIONS -M "$MNT" | grep -w nosuid | grep -qw nodev
    findmnt -no OPTIONS -M "$MNT" | tr , '\n' | grep -qx default_permissions
}

@test "a user cannot signal, trace or replace the daemon" {
    mount_start
    main=$(supervisor)
    worker_of "$main"
    run run_as "$NOBODY" kill -KILL "$main" "$WORKER"
    [ "$status" != 0 ]
    run run_as "$NOBODY" head -c 1 "/proc/$WORKER/mem"
    expect 1 "Permission denied"
    run run_as "$NOBODY" "$SHMFS" --reload "$MNT"
    [ "$status" != 0 ]
    runs "$main"
}
