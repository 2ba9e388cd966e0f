#!/usr/bin/env bats
# An ordinary user mounts for himself, through fusermount3.

load user

@test "a user mounts, sees objects, makes own ones, and unmounts" {
    echo "of root" >"$SHM/root"
    user_mount
    [ "$(as_user cat "$MNT/root")" = "of root" ]
    as_user sh -c "echo mine >'$MNT/mine' && mkdir '$MNT/folder' && echo x >'$MNT/folder/file'"
    [ "$(stat -c %u "$SHM/mine" "$SHM/folder" "$SHM/folder/file" | uniq)" = "$NOBODY" ]
    [ "$(cat "$SHM/mine")" = mine ]
    as_user mv "$MNT/mine" "$MNT/folder/moved"
    [ "$(as_user cat "$MNT/folder/moved")" = mine ]
    as_user rm -r "$MNT/folder"
    [ ! -e "$SHM/folder" ]
    as_user fusermount3 -u "$MNT"
    daemon_ended
}

@test "a user may do through the mount no more than natively" {
    echo secret >"$SHM/secret"
    chmod 600 "$SHM/secret"
    echo public >"$SHM/public"
    user_mount
    run as_user cat "$MNT/secret"
    expect 1 "Permission denied"
    run as_user rm -f "$MNT/public"
    [ "$status" = 1 ]
    run as_user sh -c "echo x >'$MNT/public'"
    [ "$status" != 0 ]
    run as_user chmod 777 "$MNT/public"
    [ "$status" = 1 ]
    [ "$(cat "$SHM/public")" = public ]
}

@test "a user's mount is for that user alone" {
    user_mount
    run ls "$MNT"
    expect 2 "Permission denied"
}

@test "a user is told that there is no passthrough, and why" {
    SHMFS_OPTIONS='' user_mount
    grep -qi passthrough "$TEST_DIR/said"
}

@test "a user's mount follows native creation, change and removal at once" {
    chmod 1777 "$SHM"
    user_mount
    for number in {1..50}; do
        echo "$number" >"$SHM/object"
        chmod 644 "$SHM/object"
        [ "$(as_user cat "$MNT/object")" = "$number" ]
        rm "$SHM/object"
        run as_user cat "$MNT/object"
        expect 1 "No such file"
    done
}

@test "a user's file that is renamed natively, or unlinked while open, stays right" {
    user_mount
    run as_user "$PYTHON" - "$MNT" "$SHM" <<-'END'
	import os, sys
	mount, raw = sys.argv[1:]
	held = os.open(f"{mount}/file", os.O_RDWR | os.O_CREAT, 0o600)
	os.write(held, b"text")
	os.rename(f"{raw}/file", f"{raw}/renamed")
	assert os.pread(held, 10, 0) == b"text"
	os.unlink(f"{raw}/renamed")
	os.write(held, b" more")
	assert os.pread(held, 10, 0) == b"text more"
	assert os.fstat(held).st_size == 9
	print("right")
	END
    expect 0 right
}

# in_namespace COMMANDS: an ordinary user as root of a user namespace that knows nobody else, with a mount of its own.
in_namespace() {
    # shellcheck disable=SC2016 # the inner shell's
    as_user timeout 60 unshare --user --map-root-user --mount bash -euc '
        "$SHMFS" posix "$MNT" ${SHMFS_OPTIONS:+-o "$SHMFS_OPTIONS"} </dev/null 3>&-
        cd "$MNT"
        '"$1"'
        cd /
        umount "$MNT"'
}

@test "in a user namespace that has no number for the folder's owner, objects are made and removed" {
    export MNT
    # shellcheck disable=SC2016 # the inner shell's
    in_namespace '
        echo mine >mine
        mkdir folder
        kill -KILL "$(getfattr --only-values -n user.shmfs.worker .)"
        mv mine folder/moved
        [ "$(stat -c "%u %a" .)" = "0 1777" ]'
    daemon_ended
    [ "$(cat "$SHM/folder/moved")" = mine ]
    [ "$(stat -c %u "$SHM/folder" "$SHM/folder/moved" | uniq)" = "$NOBODY" ]
}

@test "in a user namespace, others' objects stay theirs, and can be read" {
    export MNT
    echo public >"$SHM/public"
    chmod 666 "$SHM/public"
    run in_namespace 'rm -f public || echo x >public || chmod 777 . public || rmdir . || cat public'
    expect 0 public
    [ "$(cat "$SHM/public")" = public ]
    [ "$(stat -c %a "$SHM" "$SHM/public" | paste -s)" = "$(printf '1777\t666')" ]
}
