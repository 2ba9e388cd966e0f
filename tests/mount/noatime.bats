#!/usr/bin/env bats
# Looking at an object changes its access time no more than it would on tmpfs, or not at all.

load shell

setup() {
    mkdir -p "$MNT"
    echo text >"$SHM/file"
    mkdir "$SHM/folder"
    touch "$SHM/folder/inside"
    # Older than the modification: the next read would move it, under relatime too.
    touch -a -d '2001-01-01' "$SHM/file" "$SHM/folder"
}

@test "with noatime, reading through the mount changes no access time" {
    mount_start noatime
    cat "$MNT/file" >/dev/null
    dd if="$MNT/file" of=/dev/null bs=1 iflag=direct status=none 2>/dev/null || true
    ls "$MNT/folder" >/dev/null
    cp "$MNT/file" "$TEST_DIR/copy"
    [ "$(stat -c %X "$SHM/file")" = "$(date -d 2001-01-01 +%s)" ]
    [ "$(stat -c %X "$SHM/folder")" = "$(date -d 2001-01-01 +%s)" ]
    [ "$(stat -c %X "$MNT/file")" = "$(date -d 2001-01-01 +%s)" ]
    grep -q " $MNT fuse.shmfs [^ ]*noatime" /proc/self/mounts
}

@test "with noatime, touch -a still sets the access time" {
    mount_start noatime
    touch -a -d '2002-02-02' "$MNT/file"
    [ "$(stat -c %X "$SHM/file")" = "$(date -d 2002-02-02 +%s)" ]
}

@test "with noatime, the data of a file in a folder is read without a trace as well" {
    touch -a -d '2001-01-01' "$SHM/folder/inside"
    mount_start noatime
    cat "$MNT/folder/inside" >/dev/null
    [ "$(stat -c %X "$SHM/folder/inside")" = "$(date -d 2001-01-01 +%s)" ]
}

@test "both sides always show the same access time" {
    mount_start
    cat "$MNT/file" >/dev/null
    same_on_both stat -c %x file
    touch -a -d '2003-03-03' "$SHM/file"
    same_on_both stat -c %x file
}
