#!/usr/bin/env bats
# variants: default no-passthrough
# An ordinary user's mount by a program that was given CAP_SYS_ADMIN: mappings, and nothing that the
# user could not do natively.

load user

# A copy of the program with the capability. (The sanitizers' runtime does not start with one.)
with_capability() {
    PROGRAM=$TEST_DIR/shmfs
    install -m 755 "$SHMFS" "$PROGRAM"
    setcap cap_sys_admin,cap_dac_read_search+p "$PROGRAM"
    chmod 1777 "$SHM"
}

shared_mapping() {
    as_user "$PYTHON" - "$1" <<-'END'
	import mmap, os, sys
	file = os.open(sys.argv[1], os.O_RDWR)
	with mmap.mmap(file, 4096, mmap.MAP_SHARED) as memory:
	    print(memory[:5])
	    memory[:5] = b"after"
	END
}

mapping_works() {
    as_user sh -c "truncate -s 4096 '$SHM/object' && printf befor | dd of='$SHM/object' conv=notrunc" \
        2>"$TEST_DIR/dd.log"
    run shared_mapping "$MNT/object"
    if without_passthrough; then
        expect 1 "No such device"
    else
        expect 0 "b'befor'"
        [ "$(head -c 5 "$SHM/object")" = after ]
    fi
}

@test "without the capability a user's mapping is refused, and reading and writing is coherent" {
    chmod 1777 "$SHM"
    user_mount
    as_user sh -c "truncate -s 4096 '$SHM/object' && echo text | dd of='$SHM/object' conv=notrunc" \
        2>"$TEST_DIR/dd.log"
    run shared_mapping "$MNT/object"
    expect 1 "No such device"
    [ "$(as_user head -c 4 "$MNT/object")" = text ]
    as_user sh -c "echo more | dd of='$MNT/object' conv=notrunc" 2>"$TEST_DIR/dd.log"
    [ "$(head -c 4 "$SHM/object")" = more ]
}

@test "with the capability a user's mapping is the native memory" {
    with_capability
    user_mount "$PROGRAM"
    mapping_works
}

@test "with the capability in effect from the start it is the same" {
    with_capability
    setcap cap_sys_admin+ep "$PROGRAM"
    user_mount "$PROGRAM"
    mapping_works
}

@test "the capability is in effect in no process that waits, and no other is permitted" {
    with_capability
    user_mount "$PROGRAM"
    as_user sh -c "echo x >'$MNT/file' && cat '$MNT/file'"
    for pid in $(daemon_processes); do
        for thread in "/proc/$pid/task"/*; do
            grep -qx 'CapEff:.0000000000000000' "$thread/status"
            grep -Eqx 'CapPrm:.0000000000(2|0)00000' "$thread/status"
        done
    done
}

@test "with the capability a user may do through the mount no more than natively" {
    with_capability
    echo secret >"$SHM/secret"
    chmod 600 "$SHM/secret"
    echo public >"$SHM/public"
    chmod 644 "$SHM/public"
    mkdir -m 700 "$SHM/closed"
    echo inside >"$SHM/closed/file"
    user_mount "$PROGRAM"
    run as_user cat "$MNT/secret"
    expect 1 "Permission denied"
    run as_user cat "$MNT/closed/file"
    expect 1 "Permission denied"
    run as_user ls "$MNT/closed"
    expect 2 "Permission denied"
    run as_user rm -f "$MNT/public"
    [ "$status" = 1 ]
    # Open for reading at the time, so that the mount has the inode registered.
    exec 7< <(echo "$BASHPID" && exec setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups sh -c \
        "exec 5<'$MNT/public'; echo opened; exec sleep 30" 3>&-)
    read -r reader <&7
    read -r _ <&7
    run as_user sh -c "echo x >>'$MNT/public'"
    [ "$status" != 0 ]
    run as_user "$PYTHON" -c "import os, sys; os.open('$MNT/public', os.O_RDWR)"
    expect 1 "Permission denied"
    run as_user truncate -s 0 "$MNT/public"
    [ "$status" = 1 ]
    run as_user chmod 666 "$MNT/public"
    [ "$status" = 1 ]
    [ "$(cat "$SHM/public")" = public ]
    [ "$(as_user cat "$MNT/public")" = public ]
    kill "$reader"
}

@test "a right that is taken away natively holds for the next open through the mount" {
    with_capability
    as_user sh -c "echo x >'$SHM/file'"
    user_mount "$PROGRAM"
    [ "$(as_user cat "$MNT/file")" = x ]
    chown 0 "$SHM/file"
    chmod 600 "$SHM/file"
    run as_user cat "$MNT/file"
    expect 1 "Permission denied"
}

@test "with the capability the user cannot trace the daemon, nor take its device from it" {
    with_capability
    user_mount "$PROGRAM"
    for pid in $(daemon_processes); do
        run as_user head -c 1 "/proc/$pid/mem"
        expect 1 "Permission denied"
        run as_user ls "/proc/$pid/fd"
        expect 2 "Permission denied"
    done
}

@test "with the capability no fusermount3 but the system's is asked" {
    with_capability
    mkdir "$TEST_DIR/path"
    printf '#!/bin/sh\ntouch "%s/asked"\nexit 1\n' "$TEST_DIR" >"$TEST_DIR/path/fusermount3"
    chmod 755 "$TEST_DIR/path/fusermount3"
    chmod 777 "$TEST_DIR"
    PATH=$TEST_DIR/path:$PATH user_mount "$PROGRAM"
    [ ! -e "$TEST_DIR/asked" ]
    as_user ls "$MNT"
}

@test "with the capability nothing is taken over from a process that may be anybody's" {
    with_capability
    user_mount "$PROGRAM"
    as_user "$PYTHON" - "$PROGRAM" "$MNT" <<-'END'
	import os, subprocess, sys
	program, mount = sys.argv[1:]
	device = os.open("/dev/fuse", os.O_RDWR)
	state = os.memfd_create("state")
	os.set_inheritable(device, True), os.set_inheritable(state, True)
	folder = os.open("/dev/shm", os.O_RDONLY | os.O_DIRECTORY)
	os.set_inheritable(folder, True)
	end = subprocess.run([program, "-f", "posix", mount, "--resume-state",
	                      f"{device},{folder},-1,0,{state},1"], close_fds=False, timeout=20,
	                     capture_output=True, text=True)
	assert end.returncode != 0, end
	END
    main=$(pgrep -o '^shmfs')
    kill -HUP "$main"
    sleep 0.2
    [ "$(pgrep -o '^shmfs')" = "$main" ]
    mapping_works
}
