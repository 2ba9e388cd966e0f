#!/usr/bin/env bats
# Copying, packing and synchronising: nothing of a file is lost on the way in or out.

load shell

setup() {
    mkdir -p "$MNT"
    mount_start
    # A source with everything an archiver keeps: tmpfs as well, so that it can hold the same.
    SOURCE=$TEST_DIR/source
    mkdir "$SOURCE"
    mount -t tmpfs tmpfs "$SOURCE"
    make_source "$SOURCE"
}

make_source() {
    mkdir -p "$1/folder/sub" "$1/shared"
    head -c 200001 /dev/urandom >"$1/folder/data"
    ln "$1/folder/data" "$1/folder/sub/same"
    ln -s ../data "$1/folder/sub/link"
    mkfifo "$1/pipe"
    truncate -s 64M "$1/sparse"
    echo middle | dd of="$1/sparse" bs=1M seek=32 conv=notrunc status=none
    chmod 4751 "$1/folder/data"
    chown 65534:33 "$1/shared" "$1/sparse"
    setfacl -m u:65534:rwx,g:33:r "$1/folder/sub"
    setfacl -d -m u:65534:rw "$1/shared"
    setfattr -n user.note -v "a note" "$1/folder/data"
    find "$1" -exec touch -h -d '2011-11-11 11:11:11.111111111' {} +
}

# everything FOLDER: all that is to be kept of it, as text.
everything() {
    (
        cd "$1" || exit
        find . -mindepth 1 -printf '%P|%y|%m|%U:%G|%s|%n|%l|%T+\n' | sort
        find . -type f -print0 | sort -z | xargs -0 sha256sum
        find . -mindepth 1 -not -type l -print0 | sort -z | xargs -0 getfacl -n
        find . -mindepth 1 -not -type l -print0 | sort -z | xargs -0 getfattr -d
    ) 2>&1
}

# kept COPY: fails where it differs from the source, in what the files are or in their memory.
kept() {
    diff <(everything "$SOURCE") <(everything "$1")
    [ "$(blocks_of "$1/sparse")" = "$(blocks_of "$SOURCE/sparse")" ]
    [ "$1/folder/data" -ef "$1/folder/sub/same" ]
}

@test "cp -a into the mount, within it and out of it keeps everything" {
    cp -a "$SOURCE" "$MNT/in"
    kept "$SHM/in"
    kept "$MNT/in"
    cp -a "$MNT/in" "$MNT/within"
    kept "$SHM/within"
    mkdir "$TEST_DIR/tmpfs"
    mount -t tmpfs tmpfs "$TEST_DIR/tmpfs"
    cp -a "$MNT/within" "$TEST_DIR/tmpfs/out"
    kept "$TEST_DIR/tmpfs/out"
}

@test "cp --sparse makes, keeps and fills holes" {
    head -c 1M /dev/zero >"$SHM/zeros"
    cp --sparse=always "$MNT/zeros" "$MNT/holes"
    [ "$(stat -c %s:%b "$SHM/holes")" = 1048576:0 ]
    cp --sparse=auto "$MNT/holes" "$MNT/kept"
    [ "$(stat -c %s:%b "$SHM/kept")" = 1048576:0 ]
    cp --sparse=never "$MNT/holes" "$MNT/filled"
    [ "$(stat -c %s:%b "$SHM/filled")" = 1048576:2048 ]
    cmp "$MNT/filled" "$MNT/holes"
}

@test "cp over an existing file, -u, -l, -s and --backup do as on tmpfs" {
    cd "$MNT"
    echo one >one
    echo two >two
    cp one two
    [ "$(cat "$SHM/two")" = one ]
    cp -l one linked
    cp -s "$MNT/one" symbolic
    echo new >newer
    cp --backup=numbered newer two
    touch -d 2000-01-01 older
    cp -u older newer
    [ "$(cat "$SHM/newer")" = new ]
    [ "$(cat "$SHM/two.~1~")" = one ]
    [ "$SHM/linked" -ef "$SHM/one" ]
    cd /
    same_on_both ls -li
}

@test "cp between the mount and the raw folder copies, also onto the same object's name" {
    head -c 3000001 /dev/urandom >"$MNT/file"
    cp "$MNT/file" "$SHM/copy"
    cmp "$MNT/copy" "$SHM/file"
    cp "$SHM/file" "$MNT/again"
    cmp "$SHM/again" "$MNT/file"
}

@test "tar --sparse packs the mount and unpacks into it without loss" {
    cp -a "$SOURCE" "$SHM/tree"
    tar --create --sparse --xattrs --acls --file "$TEST_DIR/packed.tar" -C "$MNT/tree" .
    [ "$(stat -c %s "$TEST_DIR/packed.tar")" -lt 2000000 ]
    mkdir "$MNT/unpacked"
    tar --extract --sparse --xattrs --acls --same-owner --preserve-permissions \
        --file "$TEST_DIR/packed.tar" -C "$MNT/unpacked"
    kept "$SHM/unpacked"
    kept "$MNT/unpacked"
}

@test "tar finds no difference, and finds one" {
    cp -a "$SOURCE" "$SHM/tree"
    tar --create --file "$MNT/packed.tar" -C "$MNT" tree
    tar --compare --file "$MNT/packed.tar" -C "$MNT"
    printf x >>"$SHM/tree/folder/data"
    run tar --compare --file "$MNT/packed.tar" -C "$MNT"
    [ "$status" = 1 ]
}

@test "rsync -aHAX copies in and out without loss, and has nothing to do the second time" {
    rsync -aHAX --sparse "$SOURCE/" "$MNT/in/"
    kept "$SHM/in"
    [ -z "$(rsync -aHAX --itemize-changes "$SOURCE/" "$MNT/in/")" ]
    [ -z "$(rsync -aHAX --itemize-changes --checksum "$MNT/in/" "$SOURCE/")" ]
    mkdir "$TEST_DIR/tmpfs"
    mount -t tmpfs tmpfs "$TEST_DIR/tmpfs"
    rsync -aHAX --sparse "$MNT/in/" "$TEST_DIR/tmpfs/"
    kept "$TEST_DIR/tmpfs"
}

@test "rsync --inplace, --delete and --append bring a copy in the mount up to date" {
    rsync -aHAX --sparse "$SOURCE/" "$MNT/in/"
    head -c 100 /dev/urandom >>"$SOURCE/folder/data"
    rm "$SOURCE/pipe"
    echo extra >"$SHM/in/extra"
    rsync -aHAX --sparse --inplace --delete "$SOURCE/" "$MNT/in/"
    kept "$SHM/in"
    head -c 100 /dev/urandom >>"$SOURCE/folder/data"
    rsync -aHAX --append "$SOURCE/" "$MNT/in/"
    kept "$SHM/in"
}

@test "cpio and pax-style archives restore what find listed" {
    command -v cpio >/dev/null || {
        # tar reads and writes the same kind of list.
        (cd "$SOURCE" && find . -mindepth 1 -print0 | tar --null --no-recursion -T - -cf -) |
            tar -C "$MNT" -xpf -
        diff -r --no-dereference --exclude=pipe "$SOURCE" "$SHM"
        return
    }
    (cd "$SOURCE" && find . | cpio -o --quiet -H newc) | (cd "$MNT" && cpio -id --quiet)
    diff -r --no-dereference --exclude=pipe "$SOURCE" "$SHM"
}

@test "setfattr and getfattr set, show, replace and remove on both sides" {
    touch "$MNT/file"
    setfattr -n user.one -v first "$MNT/file"
    setfattr -n user.two -v 0x0001fe "$SHM/file"
    setfattr -n trusted.three -v third "$MNT/file"
    same_on_both getfattr -d -m - -e hex file
    [ "$(getfattr --only-values -n user.one "$SHM/file")" = first ]
    setfattr -n user.one -v again "$SHM/file"
    [ "$(getfattr --only-values -n user.one "$MNT/file")" = again ]
    setfattr -x user.one "$MNT/file"
    run getfattr -n user.one "$SHM/file"
    expect 1 "No such attribute"
    run setfattr -x user.one "$MNT/file"
    expect 1 "No such attribute"
    run setfattr -n nonsense.one -v x "$MNT/file"
    expect 1 "not supported"
}

@test "trusted attributes are neither shown to a second user nor set by one" {
    touch "$MNT/file"
    chmod 666 "$MNT/file"
    setfattr -n trusted.secret -v x "$MNT/file"
    run run_as "$NOBODY" getfattr -d -m - "$MNT/file"
    [[ $output != *trusted* ]]
    run run_as "$NOBODY" setfattr -n trusted.secret -v y "$MNT/file"
    [ "$status" = 1 ]
    run_as "$NOBODY" setfattr -n user.mine -v y "$MNT/file"
    same_on_both getfattr -d -m - file
}

@test "setfacl and getfacl set, show and remove, and the kernel enforces it" {
    echo text >"$MNT/file"
    chmod 600 "$MNT/file"
    run run_as "$NOBODY" cat "$MNT/file"
    expect 1 "Permission denied"
    setfacl -m u:65534:r "$MNT/file"
    [ "$(run_as "$NOBODY" cat "$MNT/file")" = text ]
    same_on_both getfacl -n file
    [ "$(stat -c %A "$MNT/file")" = -rw-r----- ]
    setfacl -m m::- "$SHM/file"
    run run_as "$NOBODY" cat "$MNT/file"
    expect 1 "Permission denied"
    setfacl -b "$MNT/file"
    same_on_both getfacl -n file
    [[ $(getfacl -n "$SHM/file") != *65534* ]]
}

@test "default ACLs are inherited by what is made, whatever the umask" {
    umask 077
    mkdir "$MNT/folder"
    setfacl -d -m u:65534:rw,g:33:r,o::- "$MNT/folder"
    touch "$MNT/folder/mounted" "$SHM/folder/native"
    mkdir "$MNT/folder/sub"
    mkfifo "$MNT/folder/pipe"
    diff <(getfacl -nc "$MNT/folder/mounted") <(getfacl -nc "$SHM/folder/native")
    same_on_both getfacl -nR folder
    [[ $(getfacl -n "$SHM/folder/mounted") == *user:65534:rw* ]]
}
