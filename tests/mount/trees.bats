#!/usr/bin/env bats
# Shell tools on trees, sets of files and the file system as a whole.

load shell

setup() {
    mkdir -p "$MNT"
    mount_start
}

# A tree with something of everything, made natively or through the mount.
make_tree() {
    mkdir -p "$1/a/b/c" "$1/empty"
    seq 1000 >"$1/a/numbers"
    seq 5 >"$1/a/b/few"
    head -c 100000 /dev/zero >"$1/a/b/c/zeros"
    ln -s ../numbers "$1/a/b/link"
    ln "$1/a/numbers" "$1/a/b/c/same"
    chmod 600 "$1/a/b/few"
    touch -d 2020-01-01 "$1/a/b/few"
}

@test "find selects by name, type, size, time, owner, links and inode as natively" {
    make_tree "$SHM"
    chown 65534 "$SHM/a/b/few"
    for test in "-name n*" "-type d" "-type l" "-size +90k" "-mtime +100" "-newer a/b/few" \
        "-uid 65534" "-links 2" "-samefile a/numbers" "-empty" "-perm 600" "-inum $(stat -c %i \
            "$SHM/a/numbers")" "-xtype f"; do
        # shellcheck disable=SC2086
        same_on_both find . $test
        # shellcheck disable=SC2086
        [ -n "$(cd "$MNT" && find . $test)" ]
    done
}

@test "find -delete and rm -r remove trees, and nothing beside them" {
    make_tree "$SHM/one"
    make_tree "$MNT/two"
    make_tree "$MNT/three"
    find "$MNT/one" -delete
    rm -r "$MNT/two"
    [ "$(ls "$SHM")" = three ]
    [ "$(ls "$MNT")" = three ]
    run rmdir "$MNT/three"
    expect 1 "not empty"
    same_on_both ls -lR three
}

@test "find and rm work on thousands of names" {
    seq -f "$SHM/n%g" 3000 | xargs touch
    mkdir "$SHM/sub"
    seq -f "$MNT/sub/n%g" 3000 | xargs touch
    [ "$(find "$MNT" -type f | sort -u | wc -l)" = 6000 ]
    [ "$(find "$MNT" -type f | wc -l)" = 6000 ]
    rm -r "${MNT:?}"/*
    [ -z "$(ls -A "$SHM")" ]
}

@test "du counts the memory that is used, holes left out" {
    make_tree "$SHM"
    truncate -s 1G "$MNT/hole"
    fallocate -l 300K "$MNT/filled"
    same_on_both du -ak
    same_on_both du -s --apparent-size
    [ "$(du -k "$MNT/hole" | cut -f 1)" = 0 ]
    [ "$(du -k "$MNT/filled" | cut -f 1)" = 300 ]
}

@test "df shows the size and use of the shared memory" {
    head -c 5M /dev/zero >"$MNT/file"
    same_on_both df --output=size,used,avail,pcent,itotal,iused,iavail .
    [ "$(df --output=size -B 1 "$MNT" | tail -n 1 | tr -d ' ')" = $((4 << 30)) ]
    same_on_both stat -f -c '%a %b %c %d %f %l %s' .
}

@test "df names the mount and its kind" {
    run df --output=source,fstype,target "$MNT"
    expect 0 "fuse.shmfs"
    [[ $output == *posix* ]]
    [ "$(findmnt -n -o SOURCE,FSTYPE,TARGET "$MNT" | tr -s ' ')" = "posix fuse.shmfs $MNT" ]
}

@test "mv renames, replaces and moves between folders" {
    make_tree "$SHM"
    echo new >"$MNT/new"
    mv "$MNT/new" "$MNT/a/numbers"
    [ "$(cat "$SHM/a/numbers")" = new ]
    mv "$MNT/a/b" "$MNT/moved"
    [ ! -e "$SHM/a/b" ]
    [ "$(cat "$MNT/moved/few")" = "$(seq 5)" ]
    [ "$(stat -c %h "$MNT/moved/c/same")" = 1 ]
    touch "$MNT/one" "$MNT/two"
    echo 1 >"$MNT/one"
    mv -n "$MNT/one" "$MNT/two" || true
    [ -s "$SHM/one" ] && [ ! -s "$SHM/two" ]
    run mv "$MNT/moved" "$MNT/moved/c"
    expect 1 "subdirectory of itself"
    same_on_both ls -liR
}

@test "mv moves into the mount from another file system and out again" {
    make_tree "$TEST_DIR/tree"
    cp -a "$TEST_DIR/tree" "$TEST_DIR/copy"
    mv "$TEST_DIR/tree" "$MNT/"
    diff -r "$TEST_DIR/copy" "$SHM/tree"
    mv "$MNT/tree" "$TEST_DIR/back"
    diff -r "$TEST_DIR/copy" "$TEST_DIR/back"
    [ -z "$(ls -A "$SHM")" ]
}

@test "mv between the mount and the raw folder finds that they are one file" {
    # Two file systems to the kernel: mv falls back to copying, and must lose nothing.
    echo text >"$MNT/file"
    run mv "$MNT/file" "$SHM/file"
    if [ "$status" = 0 ]; then [ "$(cat "$SHM/file")" = text ]; fi
    echo text >"$MNT/other"
    mv "$MNT/other" "$SHM/elsewhere"
    [ "$(cat "$MNT/elsewhere")" = text ]
}

@test "grep -r, sort and split read and write what is there" {
    make_tree "$SHM"
    same_on_both grep -rn 77 .
    shuf -i 1-20000 >"$MNT/shuffled"
    sort -n -S 64K -T "$MNT" -o "$MNT/shuffled" "$MNT/shuffled"
    seq 20000 | cmp - "$SHM/shuffled"
    (cd "$MNT" && split -n 7 shuffled part. && cat part.*) | cmp - "$SHM/shuffled"
    sha256sum "$MNT"/part.* | sed "s|$MNT|$SHM|" | sha256sum --quiet -c
}

@test "a program may have its working folder in the mount, and in one that is removed" {
    mkdir -p "$MNT/a/b"
    cd "$MNT/a/b"
    echo text >../file
    [ "$(cat "$SHM/a/file")" = text ]
    mv "$MNT/a" "$MNT/z"
    [ "$(/bin/pwd)" = "$MNT/z/b" ]
    rm "$MNT/z/file"
    rmdir "$MNT/z/b" "$MNT/z"
    run touch here
    [ "$status" = 1 ]
    cd /
}

@test "a second user reads, makes and removes only what is permitted" {
    umask 022
    echo secret >"$SHM/secret"
    chmod 600 "$SHM/secret"
    echo public >"$SHM/public"
    run run_as "$NOBODY" cat "$MNT/secret"
    expect 1 "Permission denied"
    run run_as "$NOBODY" cat "$MNT/public"
    expect 0 public
    run run_as "$NOBODY" sh -c "echo x >>'$MNT/public'"
    [ "$status" != 0 ]
    run run_as "$NOBODY" rm -f "$MNT/public"
    expect 1 "not permitted"
    run run_as "$NOBODY" chmod 777 "$MNT/public"
    expect 1 "not permitted"
    [ "$(cat "$SHM/public")" = public ]
    mkdir -m 700 "$MNT/private"
    run run_as "$NOBODY" ls "$MNT/private"
    expect 2 "Permission denied"
}

@test "what a second user makes is that user's, of every kind" {
    run_as "$NOBODY" sh -c "cd '$MNT' && umask 077 && echo x >file && mkdir folder && mkfifo pipe &&
        ln -s file link && cp file copy && touch folder/inside"
    same_on_both stat -c '%n %u %g %A' file folder pipe link copy folder/inside
    [ "$(stat -c '%u:%g:%a' "$SHM/file")" = 65534:65534:600 ]
    [ "$(stat -c '%u:%g' "$SHM/link")" = 65534:65534 ]
    run_as "$NOBODY" rm -r "$MNT/file" "$MNT/folder" "$MNT/pipe" "$MNT/link" "$MNT/copy"
    [ -z "$(ls -A "$SHM")" ]
}

@test "a folder with the set-group-id bit hands its group on" {
    mkdir "$MNT/team"
    chown :33 "$MNT/team"
    chmod 2777 "$MNT/team"
    run_as "$NOBODY" sh -c "cd '$MNT/team' && touch file && mkdir sub"
    same_on_both stat -c '%n %u %g %a' team/file team/sub
    [ "$(stat -c %g:%a "$SHM/team/sub")" = 33:2755 ]
}
