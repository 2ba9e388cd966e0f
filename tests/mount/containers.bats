#!/usr/bin/env bats
# A mount with a prefix and limits as a container's /dev/shm: docs/containers.md as tests.
# variants: default asan

load shell
load containers

# The test's own folder lies in /tmp, which a container may have of its own; so the root is bound whole.
in_bubblewrap() {
    timeout 60 bwrap --ro-bind / / --dev /dev --bind "$MNT" /dev/shm --unshare-pid --proc /proc "$@" \
        3>&- 4>&-
}

# A container with root of its own, made by an ordinary user.
in_user_namespace() {
    timeout 60 setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups \
        bwrap --unshare-user --uid 0 --gid 0 --ro-bind / / --dev /dev --bind "$MNT" /dev/shm \
        --unshare-pid --proc /proc "$@" 3>&- 4>&-
}

in_unshare() {
    # shellcheck disable=SC2016 # for the inner shell
    timeout 60 unshare --mount --pid --fork --mount-proc --propagation private \
        bash -e -c 'mount --bind "$0" /dev/shm; exec "$@"' "$MNT" "$@" 3>&- 4>&-
}

in_crun() {
    run_bundle --bind "$HERE:ro" "$MNT" "$@"
}

in_crun_user_namespace() {
    run_bundle --ids "$FIRST_ID" --bind "$HERE:ro" "$MNT" "$@"
}

semaphore=$HERE/python/semaphore.py

# Each kind of container in turn: with the same promises.
each() {
    local container
    for container in in_unshare in_bubblewrap in_user_namespace in_crun in_crun_user_namespace; do
        echo "# $container"
        "$@" "$container"
    done
}

shares_objects() {
    "$1" "$PYTHON" -c '
from multiprocessing import shared_memory, resource_tracker
block = shared_memory.SharedMemory("block", create=True, size=4096)
resource_tracker.unregister(block._name, "shared_memory")
block.buf[:6] = b"inside"'
    [ "$(head -c 6 "$SHM/c1-block")" = inside ]
    chmod 666 "$SHM/c1-block"
    "$PYTHON" -c '
from multiprocessing import shared_memory, resource_tracker
block = shared_memory.SharedMemory("c1-block")
resource_tracker.unregister(block._name, "shared_memory")
block.buf[:6] = b"host!!"'
    [ "$("$1" head -c 6 /dev/shm/block)" = "host!!" ]
    rm "$SHM/c1-block"
}

@test "what a container maps the host maps too, and sees every store" {
    mount_start prefix=c1-,size=64m
    each shares_objects
}

# Both run at the same time, and what each stores the other sees in the mapping it has.
talks_while_it_runs() {
    "$1" "$PYTHON" "$HERE/python/talk.py" inside /talk >"$TEST_DIR/inside" 2>&1 3>&- &
    timeout 60 "$PYTHON" "$HERE/python/talk.py" outside /c1-talk
    wait $!
    [ -z "$(ls -A "$SHM")" ]
}

@test "a container that runs and the host see each other's stores, and wake each other" {
    mount_start prefix=c1-,size=64m,umask=0
    umask 0
    each talks_while_it_runs
}

shares_semaphores() {
    "$1" "$PYTHON" "$semaphore" create /turn 0
    "$PYTHON" "$semaphore" post /c1-turn
    "$1" "$PYTHON" "$semaphore" wait /turn
    [ "$("$PYTHON" "$semaphore" value /c1-turn)" = 0 ]
    "$1" "$PYTHON" "$semaphore" remove /turn
    [ -z "$(ls -A "$SHM")" ]
}

@test "a semaphore of the container is one of the host, under the prefix" {
    mount_start prefix=c1-,size=64m
    each shares_semaphores
}

sees_only_its_own() {
    echo secret >"$SHM/other"
    echo theirs >"$SHM/c2-x"
    [ -z "$("$1" ls -A /dev/shm)" ]
    run "$1" cat /dev/shm/other
    [ "$status" != 0 ]
    run "$1" chmod 700 /dev/shm
    expect 1 "Operation not permitted"
    [ "$(stat -c %a "$SHM")" = 1777 ]
    rm "$SHM/other" "$SHM/c2-x"
}

@test "a container sees nothing else and cannot change the directory" {
    mount_start prefix=c1-,size=64m
    each sees_only_its_own
}

meets_its_limit() {
    run "$1" dd if=/dev/zero of=/dev/shm/big bs=1M count=100 status=none
    expect 1 "No space left on device"
    [ "$(stat -c %s "$SHM/c1-big")" = 16777216 ]
    [ "$("$1" df -k --output=size,avail /dev/shm | tail -n 1 | xargs)" = "16384 0" ]
    head -c 20M /dev/zero >"$SHM/host"
    rm "$SHM/host" "$SHM/c1-big"
}

@test "a container meets its limit, and the host does not" {
    mount_start prefix=c1-,size=16m
    each meets_its_limit
}

@test "two containers with mounts of their own use the same names apart" {
    mkdir -p "$TEST_DIR/second"
    mount_start prefix=c1-
    mount_at "$TEST_DIR/second" prefix=c2-
    in_bubblewrap bash -c 'echo one >/dev/shm/name'
    MNT=$TEST_DIR/second in_bubblewrap bash -c 'echo two >/dev/shm/name'
    [ "$(in_bubblewrap cat /dev/shm/name)" = one ]
    [ "$(cat "$SHM/c1-name" "$SHM/c2-name" | paste -s -d ' ')" = "one two" ]
}

# keeps_off CONTAINER: a native file of the host's root is not for the container's.
keeps_off() {
    echo >"$SHM/c1-hosts"
    chmod 600 "$SHM/c1-hosts"
    run "$1" cat /dev/shm/hosts
    expect 1 "Permission denied"
    run "$1" rm -f /dev/shm/hosts
    [ -e "$SHM/c1-hosts" ]
}

@test "what a user namespace's root makes belongs to the user outside" {
    mount_start prefix=c1-
    in_user_namespace touch /dev/shm/mine
    [ "$(stat -c %u "$SHM/c1-mine")" = "$NOBODY" ]
    [ "$(in_user_namespace stat -c %u /dev/shm/mine)" = 0 ]
    keeps_off in_user_namespace
}

@test "crun: ids of the container are those of its mapping outside" {
    mount_start prefix=c1-
    in_crun_user_namespace touch /dev/shm/roots
    run_bundle --ids "$FIRST_ID" --user 1000 "$MNT" touch /dev/shm/users
    [ "$(stat -c %u:%g "$SHM/c1-roots")" = "$FIRST_ID:$FIRST_ID" ]
    [ "$(stat -c %u:%g "$SHM/c1-users")" = "$((FIRST_ID + 1000)):$((FIRST_ID + 1000))" ]
    [ "$(in_crun_user_namespace stat -c %u /dev/shm/users)" = 1000 ]
    keeps_off in_crun_user_namespace
}

@test "crun as an ordinary user, without root's help but for the mount" {
    mount_start prefix=c1-,size=16m
    bundle --ids "$NOBODY" "$MNT" sh -c 'id -u && echo text >/dev/shm/x'
    sed -i 's/"size": 65536/"size": 1/; s/"containerID": [0-9]*/"containerID": 0/' "$BUNDLE/config.json"
    chown -R "$NOBODY:$NOBODY" "$BUNDLE"
    run env XDG_RUNTIME_DIR="$BUNDLE" setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups \
        timeout 60 crun --root "$BUNDLE/state" --cgroup-manager=disabled run \
        --bundle "$BUNDLE" container 3>&- 4>&-
    [ "$status:$output" = 0:0 ]
    [ "$(stat -c %u "$SHM/c1-x")" = "$NOBODY" ]
    [ "$(cat "$SHM/c1-x")" = text ]
}
