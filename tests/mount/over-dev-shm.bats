#!/usr/bin/env bats
# The mount in the place of /dev/shm: on top of it, and in a container's namespace.

load shell

setup() {
    mkdir -p "$MNT"
    native "$TEST_DIR/raw"
}

is_shmfs() {
    [ "$(findmnt -n -o FSTYPE --mountpoint "$1" | tail -n 1)" = fuse.shmfs ]
}

python() {
    timeout 60 "$PYTHON" "$HERE/python/$1.py" "${@:2}"
}

# in_container SCRIPT: runs it in a mount namespace where the mount is bound over /dev/shm.
in_container() {
    timeout 60 unshare --mount --propagation "${PROPAGATION:-private}" \
        bash -e -c "mount --bind '$MNT' /dev/shm; $1"
}

@test "objects made before are seen in a mount over /dev/shm, and stay after it" {
    echo before >"$SHM/before"
    mount_at "$SHM"
    is_shmfs "$SHM"
    [ "$(cat "$SHM/before")" = before ]
    echo during >"$SHM/during"
    [ "$(cat "$TEST_DIR/raw/during")" = during ]
    rm "$SHM/before"
    mount_stop "$SHM"
    ! is_shmfs "$SHM" || false
    [ "$(ls -A "$SHM")" = during ]
    [ "$(cat "$SHM/during")" = during ]
}

@test "what is made natively beside a mount over /dev/shm is seen at once" {
    mount_at "$SHM"
    for number in {1..50}; do
        echo "$number" >"$TEST_DIR/raw/object"
        [ "$(cat "$SHM/object")" = "$number" ]
        rm "$TEST_DIR/raw/object"
        [ ! -e "$SHM/object" ]
        echo "$number" >"$SHM/object"
        [ "$(cat "$TEST_DIR/raw/object")" = "$number" ]
        rm "$SHM/object"
        [ ! -e "$TEST_DIR/raw/object" ]
    done
}

@test "a mount over /dev/shm can be ended and started again many times" {
    echo kept >"$SHM/object"
    for _ in {1..5}; do
        mount_at "$SHM"
        [ "$(cat "$SHM/object")" = kept ]
        mount_stop "$SHM"
    done
    [ "$(cat "$SHM/object")" = kept ]
}

@test "a file held open in a mount over /dev/shm makes umount say busy, and nothing is lost" {
    mount_at "$SHM"
    exec 7<>"$SHM/held"
    run umount "$SHM"
    expect 32 busy
    echo text >&7
    exec 7>&-
    [ "$(cat "$SHM/held")" = text ]
    mount_stop "$SHM"
    [ "$(cat "$SHM/held")" = text ]
}

@test "a second mount elsewhere, beside one over /dev/shm, shows the same objects" {
    mount_start
    [ "$SHMFS_VARIANT" = raw ] || is_shmfs "$MNT"
    mount_at "$SHM"
    echo text >"$SHM/object"
    [ "$(cat "$MNT/object")" = text ]
    rm "$MNT/object"
    [ ! -e "$SHM/object" ]
    umount "$SHM"
    mount_stop
}

@test "a container with the mount bound over its /dev/shm shares objects with its host" {
    mount_start
    echo "of the host" >"$SHM/host"
    in_container 'cat /dev/shm/host; echo "of the container" >/dev/shm/inside; rm /dev/shm/host'
    [ "$(cat "$SHM/inside")" = "of the container" ]
    [ ! -e "$SHM/host" ]
    ! is_shmfs "$SHM" || false
}

@test "a container that is a slave of its host's mounts can have the mount over its /dev/shm too" {
    mount --make-rshared "$TEST_DIR/raw"
    mount_start
    PROPAGATION=slave in_container 'echo text >/dev/shm/inside'
    [ "$(cat "$SHM/inside")" = text ]
}

@test "two containers share an object through one mount" {
    mount_start
    mkfifo "$TEST_DIR/told"
    in_container "read -r <'$TEST_DIR/told'; cat /dev/shm/object >'$TEST_DIR/seen'" 3>&- &
    in_container "echo text >/dev/shm/object; echo >'$TEST_DIR/told'"
    wait $!
    [ "$(cat "$TEST_DIR/seen")" = text ]
}

@test "a container's user namespace root may use the mount, and is not the host's root there" {
    mount_start
    echo secret >"$SHM/secret"
    chmod 600 "$SHM/secret"
    chmod 755 "$TEST_DIR"
    run run_as "$NOBODY" unshare --user --map-root-user --mount sh -c \
        "id -u; echo text >'$MNT/made' && cat '$MNT/secret'"
    [[ $output == 0* ]]
    [[ $output == *"Permission denied"* ]]
    [ "$(stat -c %u "$SHM/made")" = 65534 ]
}

@test "the mount goes on for a container when its host unmounts it, and the daemon ends after" {
    mount_start
    mkfifo "$TEST_DIR/go" "$TEST_DIR/ready"
    in_container "echo >'$TEST_DIR/ready'; read -r <'$TEST_DIR/go'
        echo late >/dev/shm/late; cat /dev/shm/late >'$TEST_DIR/seen'" 3>&- &
    container=$!
    read -r <"$TEST_DIR/ready"
    umount "$MNT"
    echo >"$TEST_DIR/go"
    wait $container
    [ "$(cat "$TEST_DIR/seen")" = late ]
    daemon_ended
}

@test "a mount over /dev/shm is seen by containers that are started after it" {
    mount_at "$SHM"
    timeout 60 unshare --mount bash -e -c 'echo text >/dev/shm/inside'
    [ "$(cat "$TEST_DIR/raw/inside")" = text ]
    mount_stop "$SHM"
}
