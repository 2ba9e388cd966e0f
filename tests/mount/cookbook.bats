#!/usr/bin/env bats
# variants: default asan
# docs/cookbook.md as it is written there. A test makes what the task's reader has: a leak, a server.

load shell
load holders

CLONE=$(cd "$HERE/../.." && pwd -P)
KEY=0x000004d2
FOLDERS=(/mnt /var/backups /var/lib)

# The page's folders are empty ones, in this test's own mount namespace. The clone may lie in one of
# them: it is used where it can be seen then, read-only, so that no clean-up can empty it.
setup() {
    local folder seen=$TEST_DIR/clone
    mkdir "$seen"
    mount -o bind,ro "$CLONE" "$seen"
    SHMFS=$(realpath "$SHMFS")
    SHMFS=${SHMFS/#"$CLONE"/"$seen"} HERE=$seen/tests/mount PAGE=$seen/docs/cookbook.md
    for folder in "${FOLDERS[@]}"; do
        mount -t tmpfs -o mode=755 tmpfs "$folder"
    done
    PATH=$(dirname "$SHMFS"):$PATH
    mkdir "$TEST_DIR/steps"
}

teardown() {
    cd /
    release
    unmount_all
    daemon_ended || true
    umount "${FOLDERS[@]}" "$TEST_DIR/clone"
    ipcrm --all
    common_teardown
}

unmount_all() {
    local mount
    for mount in /mnt/?*; do
        ! mountpoint -q "$mount" || umount "$mount"
    done
}

# follow PAGE TITLE: does what the page says there, and compares with what it says is printed.
follow() {
    "$PYTHON" "$HERE/python/cookbook.py" "$1" "$2" "$TEST_DIR/steps" 3>&- 4>&-
}

cook() {
    follow "$PAGE" "$1"
}

# What a reboot leaves of shared memory.
forget() {
    cd /
    umount /mnt/all /mnt/shm
    ipcrm --all=shm
    rm -r /dev/shm/*
}
export -f forget

# object NAME MEGABYTES
object() {
    head -c "$2M" /dev/zero >"$SHM/$1"
}

@test "each task of the page is run here, and there are twelve" {
    titles=$("$PYTHON" "$HERE/python/cookbook.py" "$PAGE")
    diff <(echo "$titles") <(sed -n 's/^ *cook "\([^"]*\)".*/\1/p' "$HERE/cookbook.bats")
    [ "$(echo "$titles" | wc -l)" = 12 ]
}

@test "a page that does not say what is printed is found out" {
    cat >"$TEST_DIR/page" <<-'END'
	## Before
	## Right
	```sh
	echo one; echo two  three 4
	```
	```text
	…
	two three …
	```
	## Wrong
	```sh
	echo one
	```
	```text
	two
	```
	## Not shown
	```sh
	ls /nowhere
	```
	END
    follow "$TEST_DIR/page" Right
    run follow "$TEST_DIR/page" Wrong
    expect 1 "and the page says"
    run follow "$TEST_DIR/page" "Not shown"
    expect 1 "No such file"
}

@test "find the leak" {
    object torch_2717_0 96
    object torch_901_0 128
    object small 1
    hold map:"$SHM/torch_2717_0"
    hold open:"$SHM/torch_2717_0"
    rm "$SHM/small"
    cook "Find what fills /dev/shm, and remove it"
}

@test "find memory without a name" {
    object batch 64
    hold gonemap:"$SHM/batch"
    cook "Find memory that is held without a name"
}

@test "tar across a reboot" {
    truncate -s 1G "$SHM/index"
    for place in 0 300 700; do
        printf page | dd of="$SHM/index" bs=1M seek=$place conv=notrunc status=none
    done
    chown www-data "$SHM/index"
    chmod 640 "$SHM/index"
    head -c 1M /dev/urandom | shmfsctl load $KEY
    cook "Keep shared memory across a reboot"
}

postgres_start() {
    local programs base=$TEST_DIR/postgres
    programs=$(dirname "$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
    PG_CTL=(runuser -u postgres -- "$programs/pg_ctl" -D "$base/data" -w -t 60)
    install -d -m 700 -o postgres "$base"
    runuser -u postgres -- "$programs/initdb" -D "$base/data" --no-sync >"$TEST_DIR/initdb"
    "${PG_CTL[@]}" -o "-c listen_addresses= -c unix_socket_directories=$base -c shared_buffers=4MB" \
        -l "$base/log" start >/dev/null 2>&1 3>&- 4>&-
}

@test "PostgreSQL's segment" {
    cd /
    postgres_start
    failed=false
    cook "Look into PostgreSQL's System V segment" || failed=true
    "${PG_CTL[@]}" -m immediate stop >/dev/null
    ! $failed
}

@test "a container" {
    echo secret >"$SHM/other"
    cook "Give a container 1 GiB of shared memory"
}

@test "a robot's camera" {
    "$PYTHON" "$HERE/python/camera.py" "$SHM/camera" </dev/null >/dev/null 2>&1 3>&- 4>&- &
    HOLDERS+=($!)
    wait_until 20 test -e "$SHM/camera"
    cook "Watch a robot's frames"
}

@test "two dumps" {
    "$PYTHON" -c '
import struct, sys
sys.stdout.buffer.write(bytes(4096) + struct.pack("<4I", 100, 200, 300, 400) + bytes(4080))' |
        shmfsctl load $KEY
    cook "See what changed between two dumps"
}

# Every 0.2 s another object, and after 2 s the one that is waited for.
make_orders() {
    local number=0
    while sleep 0.2; do
        number=$((number + 1))
        : >"$SHM/order-$number"
        [ $number != 10 ] || echo go >"$SHM/ready"
    done
}

@test "waiting for an object" {
    make_orders </dev/null >/dev/null 2>&1 3>&- 4>&- &
    HOLDERS+=($!)
    cook "Wait for an object"
}

@test "an ACL" {
    cook "Share one object between two users"
}

@test "a semaphore and a queue" {
    mkdir "$TEST_DIR/mqueue"
    mount -t mqueue mqueue "$TEST_DIR/mqueue"
    : >"$TEST_DIR/mqueue/orders"
    "$PYTHON" "$HERE/python/semaphore.py" create /trades 0
    "$PYTHON" "$HERE/python/semaphore.py" wait /trades </dev/null >/dev/null 2>&1 3>&- 4>&- &
    HOLDERS+=($!)
    wait_until 20 shmfsctl who sem.trades
    cook "Free a stuck semaphore, and look at a message queue"
    rm "$TEST_DIR/mqueue/orders"
}

@test "Prometheus" {
    object held 8
    object orphan 128
    hold map:"$SHM/held"
    cook "Watch shared memory with Prometheus"
}

@test "an upgrade" {
    cook "Upgrade the daemon without unmounting"
}
