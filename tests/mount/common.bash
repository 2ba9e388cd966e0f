# shellcheck shell=bash
# What the bats files share: `load common`, then in each test `mount_start`, and use $MNT.
#
# The runner gives each file a process namespace and a /dev/shm of its own (tests/run/job says what
# the environment holds), so every shmfs process that can be seen here is this test's. After each
# test the mount is ended, the raw folder emptied, and what did not end by itself fails the test.

readonly START_SECONDS=30
readonly END_SECONDS=10 # for an unmounting, and for the daemon to end after it
export NOBODY=65534     # the second, ordinary user

if [ -z "${SHMFS_ISOLATED:-}" ]; then
    echo "run this through the runner: scripts/test --quick ${BATS_TEST_FILENAME##*/}" >&2
    exit 1
fi

MNT=$TEST_DIR/mnt

# Options for the variant ($SHMFS_OPTIONS) and the comma-separated ones of $1, as shmfs takes them.
mount_options() {
    local all
    all=$(printf '%s\n' "${SHMFS_OPTIONS:-}" "${1:-}" | sed '/^$/d' | paste -s -d ,)
    [ -z "$all" ] || printf '%s\n' -o "$all"
}

# mount_at MOUNTPOINT [OPTIONS]: mounts the view $SOURCE (posix) there. The descriptors that bats waits for are closed, lest
# the daemon keep it waiting.
mount_at() {
    local options status=0
    mapfile -t options < <(mount_options "${2:-}")
    timeout "$START_SECONDS" "$SHMFS" "${SOURCE:-posix}" "$1" "${options[@]}" </dev/null 3>&- 4>&- ||
        status=$?
    [ "$status" != 124 ] || describe_daemons
    return "$status"
}

# Says on stderr what each thread of every shmfs does, for what should not take so long: whoever looks later
# finds nothing of it.
describe_daemons() {
    local pid task
    for pid in $(daemon_processes); do
        for task in "/proc/$pid"/task/*; do
            (cd "$task" && tail -n +1 comm syscall stack && grep -E '^(State|PPid|SigBlk|ShdPnd)' status)
        done
        ls -l "/proc/$pid/fd"
    done >&2
    find "$SANITIZER_DIR" -type f -exec cat {} + >&2
}

# mount_start [OPTIONS]: mounts at $MNT.
mount_start() {
    mount_at "$MNT" "${1:-}"
}

# Waits until no shmfs process runs; 1 when one still does after END_SECONDS.
daemon_ended() {
    local tenth
    for ((tenth = 0; tenth < END_SECONDS * 10; tenth++)); do
        daemon_processes >/dev/null || return 0
        sleep 0.1
    done
    return 1
}

# The process ids of every shmfs; 1 when there is none.
daemon_processes() {
    pgrep '^shmfs'
}

# mount_stop [MOUNTPOINT]: unmounts it and waits for the daemon.
mount_stop() {
    timeout "$END_SECONDS" umount "${1:-$MNT}" && daemon_ended
}

# run_as USER COMMAND...: runs it as that user id, without groups or capabilities.
run_as() {
    local user=$1
    shift
    setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all --bounding-set=-all \
        "$@"
}

# native FOLDER: makes the raw shared memory folder visible there too, for tests that mount over it.
native() {
    mkdir -p "$1"
    mount --bind "$SHM" "$1"
}

# Prints the mount points in $TEST_DIR and on the raw folder itself, the newest first; the tmpfs that
# the runner laid there is not a test's.
own_mounts() {
    awk -v dir="$TEST_DIR/" -v shm="$SHM" '
        { for (i = 7; i <= NF; i++) if ($i == "-") break }
        index($5, dir) == 1 || ($5 == shm && $(i + 1) ~ /^fuse/) { print $5 }' /proc/self/mountinfo |
        tac
}

# Ends every mount; prints those that had to be detached from under somebody.
end_mounts() {
    local point
    own_mounts | while read -r point; do
        timeout "$END_SECONDS" umount "$point" 2>/dev/null && continue
        umount -l "$point" 2>/dev/null && echo "$point could not be unmounted"
    done
}

setup() {
    mkdir -p "$MNT"
}

# A test that needs more of its own before or after defines setup() or teardown() and calls these.
teardown() {
    local problems
    cd /
    problems=$(end_mounts)
    if ! daemon_ended; then
        problems+=" shmfs still ran: $(daemon_processes | paste -s)"
        describe_daemons
        daemon_processes | xargs -r kill -KILL
        daemon_ended || true
    fi
    find "$SHM" "$TEST_DIR" -mindepth 1 -xdev -delete
    [ -z "$problems" ] || {
        echo "$problems" >&2
        return 1
    }
}
