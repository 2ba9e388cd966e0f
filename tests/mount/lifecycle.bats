#!/usr/bin/env bats
# From start to end: how the daemon comes up, what it costs while it waits, and that every way to
# end it leaves status 0, no mount and no process.

load shell

teardown() {
    exec 7>&-
    umount /usr/local/sbin 2>/dev/null || true
    common_teardown
}

# The process that owns the mount: the oldest.
owner() {
    pgrep -o '^shmfs'
}

is_mounted() {
    grep -q " $MNT fuse.shmfs " /proc/self/mounts
}

not_mounted() {
    ! is_mounted
}

# foreground_start [OPTION...]: leaves its process id in $FOREGROUND and what it says in said.
foreground_start() {
    "$SHMFS" posix "$MNT" -f "$@" ${SHMFS_OPTIONS:+-o "$SHMFS_OPTIONS"} </dev/null \
        >"$TEST_DIR/said" 2>&1 3>&- &
    FOREGROUND=$!
    wait_until 20 is_mounted
    echo text >"$MNT/file"
    [ "$(cat "$SHM/file")" = text ]
}

# ended: waits for the process in the foreground; its status has to be 0.
ended() {
    wait_until 20 not_mounted
    wait "$FOREGROUND"
    daemon_ended
}

@test "it goes to the background when the mount answers, silently" {
    run mount_start
    [ "$status" = 0 ]
    [ -z "$output" ]
    is_mounted
    echo text >"$MNT/file"
    daemon_processes
}

@test "the background process keeps neither the terminal, the working folder nor open descriptors" {
    mkdir "$TEST_DIR/here"
    cd "$TEST_DIR/here"
    # The pipe ends only when nobody holds it any more.
    # shellcheck disable=SC2016
    timeout 20 bash -c '"$1" posix "$2" 2>&1 | cat' - "$SHMFS" "$MNT" 3>&-
    cd /
    rmdir "$TEST_DIR/here"
    for process in $(daemon_processes); do
        [ "$(readlink "/proc/$process/cwd")" = / ]
        [ "$(readlink "/proc/$process/fd/0")" = /dev/null ]
        # The field after the state and parent, group and session: no terminal.
        [ "$(sed 's/.*) //' "/proc/$process/stat" | cut -d ' ' -f 5)" = 0 ]
    done
}

@test "it shows as posix with type fuse.shmfs, for everybody, with the kernel's permission checks" {
    mount_start
    grep -Eq "^posix $MNT fuse.shmfs [^ ]*default_permissions" /proc/self/mounts
    grep -Eq "^posix $MNT fuse.shmfs [^ ]*allow_other" /proc/self/mounts
    [ "$(mount -t fuse.shmfs | cut -d ' ' -f 1-5)" = "posix on $MNT type fuse.shmfs" ]
}

@test "umount ends it" {
    mount_start
    umount "$MNT"
    daemon_ended
}

@test "fusermount3 -u ends it" {
    mount_start
    fusermount3 -u "$MNT"
    not_mounted
    daemon_ended
}

@test "SIGTERM and SIGINT unmount and end it" {
    for signal in TERM INT; do
        mount_start
        kill -$signal "$(owner)"
        wait_until 10 not_mounted
        daemon_ended
    done
}

# starts_and_ends NUMBER OPTIONS: fifteen times, with something to do in between.
starts_and_ends() {
    local round folder=$TEST_DIR/many$1
    mkdir "$folder"
    for round in {1..15}; do
        mount_at "$folder" "$2" || return 1
        echo "$round" >"$folder/file$1" && [ "$(cat "$SHM/file$1")" = "$round" ] || return 1
        timeout "$END_SECONDS" umount "$folder" || return 1
    done
}

@test "mounts that start and end side by side, again and again, all answer" {
    local child children=()
    starts_and_ends 1 3>&- &
    children+=($!)
    starts_and_ends 2 size=64m 3>&- &
    children+=($!)
    starts_and_ends 3 umask=0,mode=1777,nr_objects=10 3>&- &
    children+=($!)
    for child in "${children[@]}"; do
        wait "$child"
    done
    daemon_ended
}

# With the sanitizers another library may not come first.
@test "a clock that moves on between two looks at it keeps nothing from starting" {
    [ "$SHMFS_VARIANT" != asan ] || return 0
    local looks worker
    for looks in {1..8}; do
        LOOKS=$looks LD_PRELOAD=${SHMFS%/src/shmfs}/tests/libticking.so mount_start
        echo "$looks" >"$MNT/file"
        worker=$(getfattr --only-values -n user.shmfs.worker "$MNT")
        grep -q libticking "/proc/$worker/maps"
        kill -KILL "$worker"
        [ "$(timeout 20 cat "$MNT/file")" = "$looks" ]
        mount_stop
    done
}

@test "with -f it stays in the foreground, and SIGTERM, SIGINT and umount end it with status 0" {
    for signal in TERM INT; do
        foreground_start
        kill -0 "$FOREGROUND"
        # A shell without job control starts its background programs with SIGINT ignored.
        kill -$signal "$(owner)"
        ended
    done
    foreground_start
    umount "$MNT"
    ended
    foreground_start
    fusermount3 -u "$MNT"
    ended
}

@test "with -d it stays in the foreground and shows each request" {
    foreground_start -d
    [ -s "$TEST_DIR/said" ]
    grep -q LOOKUP "$TEST_DIR/said"
    umount "$MNT"
    ended
}

@test "one process without a supervisor serves, and ends, too" {
    foreground_start -o no_supervise
    [ "$(daemon_processes | wc -l)" = 1 ]
    kill -TERM "$FOREGROUND"
    ended
    foreground_start -o no_supervise
    umount "$MNT"
    ended
}

@test "SIGTERM while a file is open ends it all the same, and the open file's data is there" {
    mount_start
    exec 7<>"$MNT/held"
    echo before >&7
    kill -TERM "$(owner)"
    wait_until 10 not_mounted
    daemon_ended
    [ "$(cat "$SHM/held")" = before ]
    exec 7>&-
}

@test "umount of a busy mount is refused, umount -l ends it when the last user is gone" {
    mount_start
    exec 7<>"$MNT/held"
    run umount "$MNT"
    expect 32 busy
    umount -l "$MNT"
    echo text >&7
    [ "$(cat "$SHM/held")" = text ]
    daemon_processes
    exec 7>&-
    daemon_ended
}

# Makes the program known where mount(8) looks for it: it hands its helper no PATH.
installed() {
    mount -t tmpfs tmpfs /usr/local/sbin
    ln -s "$SHMFS" /usr/local/sbin/shmfs
}

@test "mount(8) mounts it by its type, with options" {
    installed
    timeout 30 mount -t fuse.shmfs posix "$MNT" \
        -o "ro,noexec,max_threads=2${SHMFS_OPTIONS:+,$SHMFS_OPTIONS}" </dev/null 3>&-
    grep -Eq "^posix $MNT fuse.shmfs ro,[^ ]*noexec" /proc/self/mounts
    mount_stop
}

@test "a line of fstab mounts it" {
    installed
    options=defaults,noatime,nofail,_netdev${SHMFS_OPTIONS:+,$SHMFS_OPTIONS}
    echo "posix $MNT fuse.shmfs $options 0 0" >"$TEST_DIR/fstab"
    timeout 30 mount --fstab "$TEST_DIR/fstab" "$MNT" </dev/null 3>&-
    grep -Eq "^posix $MNT fuse.shmfs rw,[^ ]*noatime" /proc/self/mounts
    echo text >"$MNT/file"
    [ "$(cat "$SHM/file")" = text ]
    mount_stop
}

# The processor time, in ticks, that all its processes have used.
ticks() {
    local process total=0 fields
    for process in $(daemon_processes); do
        read -r -a fields < <(sed 's/.*) //' "/proc/$process/stat")
        total=$((total + fields[11] + fields[12]))
    done
    echo $total
}

@test "it uses no processor time while nothing happens" {
    mount_start
    seq 200 | while read -r number; do echo x >"$MNT/f$number"; done
    sleep 0.5
    before=$(ticks)
    sleep 2
    after=$(ticks)
    echo "$before ticks before, $after after two idle seconds"
    [ $((after - before)) -le 1 ]
}

@test "it serves hundreds of objects with a limit of 64 descriptors" {
    (
        ulimit -n 64
        mount_start
    )
    for number in {1..500}; do echo "$number" >"$MNT/file$number"; done
    [ "$(cat "$MNT"/file* | sort -n | tail -n 1)" = 500 ]
    [ "$(cat "$SHM"/file* | wc -l)" = 500 ]
    rm "$MNT"/file*
}

@test "two hundred objects are open at once with a limit of 64 descriptors for the daemon" {
    (
        ulimit -n 64
        mount_start
    )
    run "$PYTHON" - "$MNT" <<-'END'
	import sys
	files = [open(f"{sys.argv[1]}/{n}", "w+") for n in range(200)]
	for n, file in enumerate(files):
	    file.write(str(n))
	    file.flush()
	    file.seek(0)
	assert [file.read() for file in files] == [str(n) for n in range(200)]
	print("held")
	END
    if without_passthrough; then
        # Every open file then needs a descriptor of the daemon's: the limit is told, not hidden.
        expect 1 "Too many open files"
        echo text >"$MNT/after"
        [ "$(cat "$SHM/after")" = text ]
    else
        expect 0 held
    fi
}

@test "a full shared memory is an error for who writes, and the daemon goes on" {
    mkdir "$TEST_DIR/small"
    mount -t tmpfs -o size=1m,nr_inodes=20 tmpfs "$TEST_DIR/small"
    mount_start "shm_dir=$TEST_DIR/small"
    run dd if=/dev/zero of="$MNT/big" bs=64k count=64
    expect 1 "No space left on device"
    [ "$(stat -c %s "$MNT/big")" = "$(stat -c %s "$TEST_DIR/small/big")" ]
    run fallocate -l 5M "$MNT/other"
    expect 1 "No space left on device"
    rm "$MNT/big"
    run sh -c "for n in \$(seq 30); do touch '$MNT/'\$n || exit; done"
    expect 1 "No space left on device"
    rm "$MNT"/*
    echo text >"$MNT/file"
    [ "$(cat "$TEST_DIR/small/file")" = text ]
    mount_stop
}

@test "a mount whose daemon was killed is named so, and replaced with -o replace" {
    mount_start
    echo kept >"$MNT/file"
    # The owner first: it would start another worker.
    kill -KILL "$(owner)"
    daemon_ended
    run cat "$MNT/file"
    expect 1 "not connected"
    run mount_start
    [ "$status" != 0 ]
    [[ $output == *replace* ]]
    mount_start replace
    [ "$(cat "$MNT/file")" = kept ]
    [ "$(grep -c " $MNT fuse.shmfs " /proc/self/mounts)" = 1 ]
    run mount_start replace
    [ "$status" != 0 ]
    [ "$(cat "$MNT/file")" = kept ]
}
