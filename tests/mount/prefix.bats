#!/usr/bin/env bats
# A mount with prefix= shows the objects whose names begin with it, without it, and reaches no others.

load shell

# In a container's namespace, with the mount over /dev/shm.
inside() {
    # shellcheck disable=SC2016 # for the inner shell
    timeout 60 unshare --mount --propagation private \
        bash -e -c 'mount --bind "$0" /dev/shm; "$@"' "$MNT" "$@"
}

semaphore() {
    timeout 60 "$PYTHON" "$HERE/python/semaphore.py" "$@"
}

@test "objects with the prefix show without it, others do not show" {
    echo one >"$SHM/c1-a"
    echo two >"$SHM/c2-a"
    echo three >"$SHM/a"
    mount_start prefix=c1-
    [ "$(ls -A "$MNT")" = a ]
    [ "$(cat "$MNT/a")" = one ]
    [ ! -e "$MNT/c1-a" ]
    [ ! -e "$MNT/c2-a" ]
    echo made >"$MNT/b"
    [ "$(cat "$SHM/c1-b")" = made ]
    echo native >"$SHM/c1-c"
    [ "$(cat "$MNT/c")" = native ]
    [ "$(stat -c %i "$MNT/c")" = "$(stat -c %i "$SHM/c1-c")" ]
}

@test "renames, links and removals stay within the prefix" {
    echo outside >"$SHM/b"
    mount_start prefix=c1-
    echo inside >"$MNT/a"
    mv "$MNT/a" "$MNT/b"
    [ "$(cat "$SHM/c1-b")" = inside ]
    [ "$(cat "$SHM/b")" = outside ]
    ln "$MNT/b" "$MNT/../$(basename "$MNT")/c"
    [ "$(stat -c %h "$SHM/c1-c")" = 2 ]
    ln -s b "$MNT/link"
    [ "$(readlink "$SHM/c1-link")" = b ]
    [ "$(cat "$MNT/link")" = inside ]
    ln -s ../b "$MNT/up"
    run cat "$MNT/up"
    [ "$status" != 0 ]
    rm "$MNT"/*
    [ "$(ls -A "$SHM")" = b ]
    run rm "$MNT/b"
    expect 1 "No such file"
    run mv "$MNT/.." "$MNT/x"
    [ "$status" != 0 ]
    run rmdir "$MNT/."
    [ "$status" != 0 ]
}

@test "two mounts with different prefixes never see each other's objects" {
    mkdir -p "$TEST_DIR/second"
    mount_start prefix=a-
    mount_at "$TEST_DIR/second" prefix=b-
    echo first >"$MNT/same"
    echo second >"$TEST_DIR/second/same"
    mkdir "$MNT/folder"
    [ "$(cat "$MNT/same")" = first ]
    [ "$(cat "$TEST_DIR/second/same")" = second ]
    [ "$(ls "$TEST_DIR/second")" = same ]
    [ "$(cd "$SHM" && echo *)" = "a-folder a-same b-same" ]
    echo >"$MNT/sem.s"
    [ ! -e "$TEST_DIR/second/sem.s" ]
    [ -e "$SHM/sem.a-s" ]
}

@test "a native rename or removal of what is open is told under the name inside" {
    mount_start prefix=c1-
    echo one >"$SHM/c1-a"
    exec 7<"$MNT/a"
    mv "$SHM/c1-a" "$SHM/c1-b"
    wait_until 10 test ! -e "$MNT/a"
    [ "$(cat "$MNT/b")" = one ]
    mv "$SHM/c1-b" "$SHM/other"
    wait_until 10 test ! -e "$MNT/b"
    [ -z "$(ls -A "$MNT")" ]
    mv "$SHM/other" "$SHM/c1-a"
    wait_until 10 test -e "$MNT/a"
    rm "$SHM/c1-a"
    wait_until 10 test ! -e "$MNT/a"
    [ "$(cat <&7)" = one ]
}

@test "names are as long as the prefix leaves room for" {
    mount_start prefix=0123456789
    [ "$(stat -f -c %l "$MNT")" = 245 ]
    longest=$(printf 'x%.0s' {1..245})
    echo text >"$MNT/$longest"
    [ "$(cat "$SHM/0123456789$longest")" = text ]
    for command in "touch $MNT/${longest}x" "mkdir $MNT/${longest}x" "stat $MNT/${longest}x" \
        "mv $MNT/$longest $MNT/${longest}x" "ln $MNT/$longest $MNT/${longest}x"; do
        # shellcheck disable=SC2086
        run $command
        expect 1 "File name too long"
    done
}

@test "a prefix that no name can have is refused in one line" {
    long=$(printf 'x%.0s' {1..255})
    for prefix in "" a/b sem sem.x "$long"; do
        run mount_start "prefix=$prefix"
        expect 2 "-o prefix=$prefix: "
        [ "${#lines[@]}" = 1 ]
    done
    SOURCE=sysv run mount_start prefix=c1-
    expect 2 "the source sysv is always shown as a whole"
}

@test "a semaphore made inside as /x is /PREFIXx outside, and one semaphore" {
    ! without_passthrough || return 0 # a semaphore is a shared mapping
    mount_start prefix=c1-
    inside "$PYTHON" "$HERE/python/semaphore.py" create /turn 1
    [ "$(cd "$SHM" && echo *)" = sem.c1-turn ]
    [ "$(ls "$MNT")" = sem.turn ]
    [ "$(semaphore value /c1-turn)" = 1 ]
    semaphore post /c1-turn
    [ "$(inside "$PYTHON" "$HERE/python/semaphore.py" value /turn)" = 2 ]
    semaphore create /c1-other 5
    [ "$(inside "$PYTHON" "$HERE/python/semaphore.py" value /other)" = 5 ]
    inside "$PYTHON" "$HERE/python/semaphore.py" remove /turn
    [ "$(cd "$SHM" && echo *)" = sem.c1-other ]
    semaphore create /elsewhere 1
    [ "$(ls "$MNT")" = sem.other ]
}

@test "a mapping through the mount and one of the object outside are one memory" {
    ! without_passthrough || return 0 # mmap-refused.bats has what happens then
    mount_start prefix=c1-
    inside "$PYTHON" -c '
from multiprocessing import shared_memory, resource_tracker
block = shared_memory.SharedMemory("block", create=True, size=4096)
resource_tracker.unregister(block._name, "shared_memory")
block.buf[:5] = b"hello"'
    [ "$(head -c 5 "$SHM/c1-block")" = hello ]
    "$PYTHON" -c '
from multiprocessing import shared_memory, resource_tracker
block = shared_memory.SharedMemory("c1-block")
resource_tracker.unregister(block._name, "shared_memory")
block.buf[:5] = b"world"'
    [ "$(head -c 5 "$MNT/block")" = world ]
}

@test "many objects of others do not disturb a listing" {
    mount_start prefix=c1-
    (cd "$SHM" && for number in {1..2000}; do
        echo >"other$number"
        echo >"c1-$number"
    done)
    [ "$(ls "$MNT" | sort -n)" = "$(seq 2000)" ]
    [ "$(find "$MNT" -type f -delete -print | wc -l)" = 2000 ]
    [ "$(find "$SHM" -name 'other*' | wc -l)" = 2000 ]
    [ "$(find "$SHM" -name 'c1-*' | wc -l)" = 0 ]
}

@test "the root shows the mode and owner asked for, which hold, and the real directory keeps its own" {
    mount_start prefix=c1-,mode=0750,uid=0,gid=0
    [ "$(stat -c '%a %u %g' "$MNT")" = "750 0 0" ]
    [ "$(stat -c %a "$SHM")" = 1777 ]
    run run_as "$NOBODY" ls "$MNT"
    expect 2 "Permission denied"
    run chmod 777 "$MNT"
    expect 1 "Operation not permitted"
    run setfattr -n user.x -v y "$MNT"
    [ "$status" != 0 ]
    mount_stop
    mount_start "mode=0700,uid=$NOBODY"
    run_as "$NOBODY" touch "$MNT/mine"
    [ "$(stat -c %u "$SHM/mine")" = "$NOBODY" ]
}

@test "umask takes bits from what is made through the mount" {
    mount_start umask=027
    umask 0
    echo >"$MNT/file"
    mkdir "$MNT/folder"
    echo >"$SHM/native"
    [ "$(cd "$MNT" && stat -c %a file folder native | paste -s)" = "640	750	666" ]
    chmod 666 "$MNT/file"
    [ "$(stat -c %a "$SHM/file")" = 666 ]
}

@test "prealloc: growing by truncate takes the memory, and is ENOSPC when there is none" {
    mount_start prealloc
    truncate -s 3M "$MNT/file"
    [ "$(blocks_of "$SHM/file")" -ge 6144 ]
    run truncate -s 8G "$MNT/file"
    expect 1 "No space left"
    [ "$(stat -c %s "$SHM/file")" = 3145728 ]
    [ "$(blocks_of "$SHM/file")" -lt 8192 ]
    truncate -s 1000 "$MNT/file"
    truncate -s 1000000 "$MNT/file"
    [ "$(stat -c %s "$SHM/file")" = 1000000 ]
    [ "$(cat "$MNT/file" | tr -d '\0' | wc -c)" = 0 ]
    truncate -s 3M "$SHM/native"
    [ "$(blocks_of "$MNT/native")" = 0 ]
}
