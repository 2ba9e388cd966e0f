#!/usr/bin/env bats
# The command line: what it accepts, and that each refusal names what was wrong, in one line, with a
# status that is not 0, and leaves no mount.

load shell


# refused TEXT [ARGUMENT...]: shmfs with these arguments fails at once, says TEXT, mounts nothing.
refused() {
    run --separate-stderr timeout 20 "$SHMFS" "${@:2}" </dev/null 3>&-
    if [ "$status" = 0 ] || [ "$status" -ge 124 ] || [[ $stderr != *"$1"* ]]; then
        echo "expected a refusal with '$1'; there was status $status and: $stderr $output"
        return 1
    fi
    [ -z "$output" ]
    ! grep -q " fuse.shmfs " /proc/self/mounts || return 1
    daemon_ended
}

@test "-h and --help explain the use on standard output" {
    for option in -h --help; do
        run --separate-stderr "$SHMFS" $option
        expect 0 MOUNTPOINT
        [[ $output == *no_passthrough* ]]
        [ -z "$stderr" ]
    done
}

@test "-V and --version tell the versions of shmfs and of libfuse" {
    for option in -V --version; do
        run --separate-stderr "$SHMFS" $option
        expect 0 shmfs
        [[ $output =~ [0-9]+\.[0-9]+\.[0-9]+ ]]
        [[ ${output,,} == *fuse* ]]
    done
}

@test "no mount point, or one thing too many, is an error that shows the use" {
    refused MOUNTPOINT
    refused "" posix "$MNT" third
}

@test "an unknown option is an error that names it" {
    refused nonsense_option posix "$MNT" -o nonsense_option
    refused nonsense_option posix "$MNT" -o ro,nonsense_option=3,noexec
    refused --nonsense --nonsense posix "$MNT"
    refused Z -Z posix "$MNT"
}

@test "a bad value is an error that names the option and the value" {
    for bad in max_threads=many max_threads=0 max_threads=-1 poll=soon poll=-5 attr_timeout=x \
        entry_timeout=-2 mmap=sometimes awake=1.5.1 max_threads=; do
        refused "${bad%=*}" posix "$MNT" -o "$bad"
        refused "${bad#*=}" posix "$MNT" -o "$bad"
    done
}

@test "-o without its argument is an error" {
    refused -o posix "$MNT" -o
}

@test "an unknown source is an error that names it" {
    refused nonsense nonsense "$MNT"
}

@test "a mount point that does not exist is an error that names it" {
    refused "$TEST_DIR/absent" posix "$TEST_DIR/absent"
    refused "$TEST_DIR/absent/deeper" posix "$TEST_DIR/absent/deeper"
}

@test "a mount point that is no folder is an error that names it" {
    touch "$TEST_DIR/file"
    refused "$TEST_DIR/file" posix "$TEST_DIR/file"
    refused irectory posix "$TEST_DIR/file"
}

@test "a mount point that already carries an shmfs is refused, and the first one goes on" {
    mount_start
    run --separate-stderr timeout 20 "$SHMFS" posix "$MNT" </dev/null 3>&-
    [ "$status" != 0 ] && [ "$status" -lt 124 ]
    [[ $stderr == *"$MNT"* ]]
    [[ $stderr == *already* ]]
    [ "$(grep -c " fuse.shmfs " /proc/self/mounts)" = 1 ]
    echo text >"$MNT/file"
    [ "$(cat "$SHM/file")" = text ]
}

@test "a folder of objects that does not exist or is no folder is an error that names it" {
    refused "$TEST_DIR/absent" posix "$MNT" -o "shm_dir=$TEST_DIR/absent"
    touch "$TEST_DIR/file"
    refused "$TEST_DIR/file" posix "$MNT" -o "shm_dir=$TEST_DIR/file"
}

# in_own_namespace SCRIPT: bash with mounts that end with it.
in_own_namespace() {
    unshare --mount --propagation private bash -c "$1" </dev/null 3>&-
}

@test "without /dev/fuse the error says what is missing and what to do" {
    mkdir "$TEST_DIR/dev"
    run in_own_namespace "mount -t tmpfs tmpfs '$TEST_DIR/dev' && cd '$TEST_DIR/dev' && mkdir shm &&
        mknod null c 1 3 && mount --rbind '$TEST_DIR/dev' /dev && exec '$SHMFS' posix '$MNT'"
    [ "$status" != 0 ]
    [[ $output == *"/dev/fuse"* ]]
    [[ $output == *modprobe* ]]
}

@test "a /dev/fuse that is no FUSE device is an error" {
    run in_own_namespace "mount --bind /dev/null /dev/fuse && exec timeout 20 '$SHMFS' posix '$MNT'"
    [ "$status" != 0 ] && [ "$status" -lt 124 ]
    [ -n "$output" ]
}

@test "a user who may not mount is told so, and there is no mount" {
    chmod 755 "$TEST_DIR" "$MNT"
    chown "$NOBODY" "$MNT"
    run in_own_namespace "mount --bind /dev/null /usr/bin/fusermount3 &&
        exec setpriv --reuid $NOBODY --regid $NOBODY --clear-groups \
            timeout 20 '$SHMFS' posix '$MNT'"
    [ "$status" != 0 ] && [ "$status" -lt 124 ]
    [ -n "$output" ]
    ! grep -q " fuse.shmfs " /proc/self/mounts || false
}

@test "the words none and shmfs, and no source at all, mean posix" {
    for source in none shmfs posix ""; do
        timeout 20 "$SHMFS" ${source:+"$source"} "$MNT" ${SHMFS_OPTIONS:+-o "$SHMFS_OPTIONS"} \
            </dev/null 3>&-
        grep -q "^posix $MNT fuse.shmfs " /proc/self/mounts
        mount_stop
    done
}

@test "options may be given apart, together, before and after the mount point" {
    timeout 20 "$SHMFS" -o ro -onoexec,nosuid posix "$MNT" -o noatime \
        ${SHMFS_OPTIONS:+-o "$SHMFS_OPTIONS"} </dev/null 3>&-
    options=$(findmnt -n -o OPTIONS "$MNT")
    for option in ro noexec nosuid noatime; do
        [[ ,$options, == *,$option,* ]]
    done
}

@test "a relative mount point, one with odd characters and one behind a link work" {
    mkdir "$TEST_DIR/with space, and "$'\t'"tab\\"
    cd "$TEST_DIR"
    for folder in "./mnt" "$TEST_DIR/with space, and "$'\t'"tab\\"; do
        mount_at "$folder"
        echo text >"$folder/file"
        [ "$(cat "$SHM/file")" = text ]
        mount_stop "$folder"
    done
    ln -s mnt link
    mount_at link
    echo more >"$MNT/file"
    [ "$(cat "$SHM/file")" = more ]
}

@test "a mount point that is not empty is covered, and comes back" {
    echo below >"$MNT/below"
    mount_start
    [ ! -e "$MNT/below" ]
    mount_stop
    [ "$(cat "$MNT/below")" = below ]
    rm "$MNT/below"
}

@test "another folder of objects is shown with shm_dir" {
    mkdir "$TEST_DIR/objects"
    mount -t tmpfs tmpfs "$TEST_DIR/objects"
    mount_start "shm_dir=$TEST_DIR/objects"
    echo text >"$MNT/file"
    [ "$(cat "$TEST_DIR/objects/file")" = text ]
    [ ! -e "$SHM/file" ]
    mount_stop
}

@test "--reload of what is no shmfs mount is an error that names it" {
    run --separate-stderr timeout 20 "$SHMFS" --reload "$TEST_DIR"
    [ "$status" != 0 ] && [ "$status" -lt 124 ]
    [[ $stderr == *"$TEST_DIR"* ]]
    run --separate-stderr timeout 20 "$SHMFS" --reload
    [ "$status" != 0 ] && [ "$status" -lt 124 ]
    [ -n "$stderr" ]
}

# A native change that overtakes the kernel's first look at the root would leave it without permissions.
@test "the first to come is let in, whatever happens natively meanwhile" {
    (while :; do : >"$SHM/other" && rm "$SHM/other"; done) 3>&- 4>&- &
    local busy=$! round
    for round in {1..12}; do
        mount_start
        run_as "$NOBODY" sh -c "echo x >>'$MNT/first$round'" || break
        mount_stop || break
        round=done
    done
    kill "$busy"
    [ "$round" = done ]
}
