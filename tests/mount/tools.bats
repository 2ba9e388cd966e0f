#!/usr/bin/env bats
# Shell tools on single files of the mount: what they show and change is what tmpfs has.

load shell

setup() {
    mkdir -p "$MNT"
    mount_start
}

@test "what echo writes on one side, cat reads on the other" {
    echo "from the mount" >"$MNT/a"
    echo "natively" >"$SHM/b"
    [ "$(cat "$SHM/a")" = "from the mount" ]
    [ "$(cat "$MNT/b")" = natively ]
    echo "more natively" >>"$SHM/a"
    echo "more from the mount" >>"$MNT/b"
    cmp "$MNT/a" "$SHM/a"
    cmp "$MNT/b" "$SHM/b"
    [ "$(wc -l <"$MNT/a")" = 2 ]
    [ "$(wc -l <"$SHM/b")" = 2 ]
}

@test "ls shows the names, sizes, modes, owners, times and inodes that tmpfs has" {
    head -c 12345 /dev/urandom >"$SHM/native"
    chmod 640 "$SHM/native"
    chown 65534:33 "$SHM/native"
    mkdir "$MNT/folder"
    ln -s native "$MNT/link"
    touch "$MNT/made" "$SHM/with a space" "$MNT/ünïcödé" "$MNT"/$'new\nline' "$SHM/.hidden"
    mkfifo "$MNT/pipe"
    same_on_both ls -AilQ --time-style=full-iso
    same_on_both ls -lnR --full-time
    same_on_both ls -Z native
}

@test "every field of stat but the device is the native one" {
    umask 027
    echo content >"$MNT/file"
    mkdir "$MNT/folder"
    ln "$MNT/file" "$MNT/second"
    ln -s file "$MNT/link"
    mkfifo "$SHM/pipe"
    truncate -s 1G "$SHM/sparse"
    touch -d '2001-02-03 04:05:06.789012345' "$MNT/file"
    same_on_both stat -c '%n %a %b %B %f %F %g %h %i %o %s %t:%T %u %x %y %z' \
        file folder second link pipe sparse
}

@test "a birth time that stat shows is the native one" {
    touch "$MNT/file"
    birth=$(stat -c %W "$MNT/file")
    # 0 says "not known": a libfuse without statx.
    [ "$birth" = 0 ] || [ "$(stat -c %w "$MNT/file")" = "$(stat -c %w "$SHM/file")" ]
}

@test "touch sets both times, each of them, those of another file and those of a link" {
    touch -d '1999-12-31 23:59:59.123456789' "$MNT/file"
    [ "$(stat -c '%x %y' "$SHM/file")" = "$(stat -c '%x %y' "$MNT/file")" ]
    [[ $(stat -c %y "$SHM/file") == *23:59:59.123456789* ]]
    touch -a -d '2005-05-05' "$MNT/file"
    [ "$(stat -c %Y "$SHM/file")" = "$(date -d '1999-12-31 23:59:59' +%s)" ]
    touch -m -d '2006-06-06' "$SHM/file"
    [ "$(stat -c %Y "$MNT/file")" = "$(date -d 2006-06-06 +%s)" ]
    touch -r "$MNT/file" "$MNT/like"
    ln -s nowhere "$MNT/link"
    touch -h -d '2007-07-07' "$MNT/link"
    same_on_both stat -c '%n %x %y' file like link
}

@test "chmod, chown and chgrp reach the object, and a set-id bit is lost as on tmpfs" {
    touch "$MNT/file" "$SHM/other"
    chmod 6751 "$MNT/file"
    chmod 1600 "$SHM/other"
    same_on_both stat -c '%n %A' file other
    chown 65534:33 "$MNT/file"
    chgrp 7 "$MNT/other"
    same_on_both stat -c '%n %A %u %g' file other
    [ "$(stat -c %u:%g:%a "$SHM/file")" = 65534:33:751 ]
}

@test "a second user's write clears set-id bits" {
    touch "$MNT/file"
    chmod 6777 "$MNT/file"
    run_as "$NOBODY" sh -c "echo x >>'$MNT/file'"
    [ "$(stat -c %a "$SHM/file")" = 777 ]
}

@test "dd writes and reads blocks anywhere in a file" {
    head -c 3M /dev/urandom >"$TEST_DIR/source"
    dd if="$TEST_DIR/source" of="$MNT/file" bs=64k status=none
    cmp "$TEST_DIR/source" "$SHM/file"
    printf CHANGED | dd of="$MNT/file" bs=1 seek=1000001 conv=notrunc status=none
    printf CHANGED | dd of="$TEST_DIR/source" bs=1 seek=1000001 conv=notrunc status=none
    printf appended | dd of="$MNT/file" oflag=append conv=notrunc status=none
    printf appended >>"$TEST_DIR/source"
    cmp "$TEST_DIR/source" "$SHM/file"
    [ "$(dd if="$MNT/file" bs=1 skip=1000001 count=7 status=none)" = CHANGED ]
    dd if=/dev/zero of="$MNT/file" bs=1 count=0 seek=100 status=none
    [ "$(stat -c %s "$SHM/file")" = 100 ]
}

@test "dd reads and writes with O_DIRECT" {
    head -c 2M /dev/urandom >"$TEST_DIR/source"
    dd if="$TEST_DIR/source" of="$MNT/file" bs=128k oflag=direct status=none
    cmp "$TEST_DIR/source" "$SHM/file"
    dd if="$MNT/file" of="$TEST_DIR/copy" bs=128k iflag=direct status=none
    cmp "$TEST_DIR/source" "$TEST_DIR/copy"
}

@test "dd with conv=fsync and O_SYNC succeeds" {
    dd if=/dev/zero of="$MNT/file" bs=4k count=16 oflag=sync conv=fsync status=none
    dd if=/dev/zero of="$MNT/file" bs=4k count=16 oflag=dsync conv=fdatasync status=none
    sync "$MNT/file" "$MNT"
    sync -f "$MNT/file"
    [ "$(stat -c %s "$SHM/file")" = 65536 ]
}

@test "truncate grows with zeros and shrinks, on both sides" {
    echo 0123456789 >"$MNT/file"
    truncate -s 5 "$MNT/file"
    [ "$(cat "$SHM/file")" = 01234 ]
    truncate -s 8K "$SHM/file"
    [ "$(stat -c %s "$MNT/file")" = 8192 ]
    [ "$(tr -d '\0' <"$MNT/file")" = 01234 ]
    truncate -s -8190 "$MNT/file"
    [ "$(cat "$SHM/file")" = 01 ]
    truncate -s 0 "$SHM/file"
    [ "$(stat -c %s:%b "$MNT/file")" = 0:0 ]
}

@test "fallocate reserves memory, with and without a new size" {
    fallocate -l 1M "$MNT/file"
    [ "$(stat -c %s:%b "$SHM/file")" = 1048576:2048 ]
    fallocate -n -o 1M -l 1M "$MNT/file"
    [ "$(stat -c %s:%b "$SHM/file")" = 1048576:4096 ]
    same_on_both stat -c %s:%b file
}

@test "fallocate punches and digs holes that give the memory back" {
    head -c 1M /dev/urandom >"$SHM/file"
    cp "$SHM/file" "$TEST_DIR/copy"
    fallocate -p -o 256K -l 512K "$MNT/file"
    dd if=/dev/zero of="$TEST_DIR/copy" bs=1K seek=256 count=512 conv=notrunc status=none
    cmp "$TEST_DIR/copy" "$SHM/file"
    cmp "$TEST_DIR/copy" "$MNT/file"
    [ "$(blocks_of "$SHM/file")" = 1024 ]
    head -c 1M /dev/zero >"$MNT/zeros"
    [ "$(blocks_of "$SHM/zeros")" = 2048 ]
    fallocate -d "$MNT/zeros"
    [ "$(stat -c %s:%b "$SHM/zeros")" = 1048576:0 ]
}

@test "fallocate is refused what tmpfs refuses" {
    head -c 64K /dev/urandom >"$MNT/file"
    cp -a "$SHM/file" "$TEST_DIR/copy"
    run same_on_both fallocate -c -o 4K -l 4K file
    [ "$status" != 0 ] && [ "$status" != 99 ]
    run same_on_both fallocate -i -o 4K -l 4K file
    [ "$status" != 0 ] && [ "$status" != 99 ]
    cmp "$TEST_DIR/copy" "$SHM/file"
}

@test "sed -i edits in place and keeps the mode" {
    printf 'one\ntwo\nthree\n' >"$SHM/file"
    chmod 604 "$SHM/file"
    sed -i 's/two/2/' "$MNT/file"
    [ "$(paste -s -d , "$SHM/file")" = one,2,three ]
    [ "$(stat -c %a "$SHM/file")" = 604 ]
    [ "$(ls -A "$SHM")" = file ]
    sed -i.old 1d "$MNT/file"
    same_on_both head file file.old
}

@test "a link made by ln is the same object on both sides" {
    echo text >"$MNT/one"
    ln "$MNT/one" "$MNT/two"
    ln "$SHM/one" "$SHM/three"
    [ "$(stat -c %h "$MNT/one")" = 3 ]
    [ "$MNT/one" -ef "$MNT/three" ]
    [ "$SHM/two" -ef "$SHM/three" ]
    rm "$SHM/one"
    [ "$(stat -c %h "$MNT/two")" = 2 ]
    echo more >>"$MNT/two"
    cmp "$MNT/three" "$SHM/two"
    run ln "$MNT/two" "$MNT/three"
    expect 1 "File exists"
}

@test "ln -s makes links that are followed, shown, replaced and may lead nowhere" {
    echo text >"$SHM/file"
    ln -s file "$MNT/link"
    [ "$(readlink "$SHM/link")" = file ]
    [ "$(cat "$MNT/link")" = text ]
    ln -s absent "$SHM/nowhere"
    [ -h "$MNT/nowhere" ] && [ ! -e "$MNT/nowhere" ]
    ln -sfn other "$MNT/link"
    [ "$(readlink "$SHM/link")" = other ]
    ln -s "$(printf 'x%.0s' {1..4000})" "$MNT/long"
    [ "$(readlink "$MNT/long" | wc -c)" = 4001 ]
    same_on_both readlink link nowhere long
    ln -s loop "$MNT/loop"
    run cat "$MNT/loop"
    expect 1 "Too many levels"
}

@test "a FIFO made by mkfifo carries data between two programs" {
    mkfifo -m 622 "$MNT/pipe"
    [ "$(stat -c '%F %a' "$SHM/pipe")" = "fifo 622" ]
    timeout 20 cat "$MNT/pipe" >"$TEST_DIR/out" 3>&- &
    timeout 20 sh -c "seq 100000 >'$MNT/pipe'"
    wait $!
    seq 100000 | cmp - "$TEST_DIR/out"
}

@test "flock keeps a second program out while the first one holds it" {
    touch "$MNT/lock"
    exec 7>"$MNT/lock"
    flock -x 7
    run flock -n "$MNT/lock" echo got it
    expect 1 ""
    run flock -n -s "$MNT/lock" echo got it
    expect 1 ""
    flock -u 7
    run flock -n "$MNT/lock" echo got it
    expect 0 "got it"
    flock -s 7
    run flock -n -s "$MNT/lock" echo shared
    expect 0 shared
    exec 7>&-
}

# Adds 50 to the number in the file, one by one.
count() {
    for _ in {1..50}; do
        # shellcheck disable=SC2016
        flock "$MNT/counter" sh -c 'n=$(cat "$1"); echo $((n + 1)) >"$1"' - "$MNT/counter"
    done
}

@test "flock makes two programs take turns" {
    echo 0 >"$MNT/counter"
    count 3>&- &
    count
    wait $!
    [ "$(cat "$SHM/counter")" = 100 ]
}

@test "xxd shows and patches bytes of an object" {
    printf 'abcdefgh' >"$SHM/file"
    [ "$(xxd -p "$MNT/file")" = 6162636465666768 ]
    echo '00000002: 5859' | xxd -r - "$MNT/file"
    [ "$(cat "$SHM/file")" = abXYefgh ]
}

@test "cmp finds equal what is equal, and the byte that is not" {
    head -c 300000 /dev/urandom >"$MNT/file"
    cmp "$MNT/file" "$SHM/file"
    cp "$MNT/file" "$TEST_DIR/copy"
    printf '\x00\x01' | dd of="$MNT/file" bs=1 seek=200000 conv=notrunc status=none
    run cmp "$MNT/file" "$TEST_DIR/copy"
    [ "$status" = 1 ]
    cmp "$MNT/file" "$SHM/file"
}

@test "install sets owner, group and mode, and makes folders" {
    echo text >"$TEST_DIR/source"
    install -D -m 2751 -o 65534 -g 33 "$TEST_DIR/source" "$MNT/a/b/file"
    install -d -m 700 "$MNT/folder"
    install -p "$TEST_DIR/source" "$MNT/kept"
    same_on_both stat -c '%n %A %u %g %y' a/b/file folder kept
    [ "$(stat -c %a:%u:%g "$SHM/a/b/file")" = 2751:65534:33 ]
    [ "$(stat -c %Y "$SHM/kept")" = "$(stat -c %Y "$TEST_DIR/source")" ]
}

@test "mktemp makes files and folders that are the caller's alone" {
    umask 000
    file=$(mktemp -p "$MNT" shm.XXXXXX)
    folder=$(mktemp -d -p "$MNT" shm.XXXXXX)
    [ "$(stat -c %a "$SHM/${file##*/}")" = 600 ]
    [ "$(stat -c %a "$SHM/${folder##*/}")" = 700 ]
}

@test "the shell's noclobber and umask are honoured" {
    umask 026
    set -C
    echo first >"$MNT/file"
    run bash -c "set -C; echo second >'$MNT/file'"
    set +C
    expect 1 "cannot overwrite existing file"
    [ "$(cat "$SHM/file")" = first ]
    mkdir "$MNT/folder"
    [ "$(stat -c %a "$SHM/file")" = 640 ]
    [ "$(stat -c %a "$SHM/folder")" = 751 ]
}

@test "a file that was removed stays readable and writable for who holds it" {
    echo held >"$MNT/file"
    exec 7<>"$MNT/file"
    rm "$MNT/file"
    [ ! -e "$SHM/file" ]
    echo again >&7
    [ "$(stat -Lc %s:%h /proc/self/fd/7)" = 6:0 ]
    [ "$(cat /proc/self/fd/7)" = again ]
    exec 7<&-
}

@test "tail -f shows what the other side appends" {
    echo first >"$SHM/log"
    timeout 20 tail -f -n +1 -s 0.05 "$MNT/log" >"$TEST_DIR/seen" 3>&- &
    tail=$!
    wait_until 10 grep -q first "$TEST_DIR/seen"
    echo second >>"$SHM/log"
    wait_until 10 grep -q second "$TEST_DIR/seen"
    kill $tail
}

@test "names of any bytes and of 255 bytes work; longer ones are refused" {
    long=$(printf 'n%.0s' {1..255})
    echo 1 >"$MNT/$long"
    echo 2 >"$MNT"/$'\x01\xff"*?\\'
    same_on_both ls -Q
    [ "$(cat "$SHM/$long")" = 1 ]
    run touch "$MNT/${long}n"
    expect 1 "File name too long"
    rm "$MNT"/*
    [ -z "$(ls -A "$SHM")" ]
}

@test "lsattr and chattr show and change what tmpfs has" {
    mkdir "$MNT/folder"
    touch "$MNT/file" "$MNT/folder/file"
    lsattr "$SHM/file" || skip "this tmpfs has no such flags"
    chattr +dA "$MNT/file"
    chattr -R +d "$MNT/folder"
    same_on_both lsattr -R
    chattr +i "$SHM/file"
    chattr +a "$MNT/folder/file"
    same_on_both lsattr -R
    ! (echo more >"$MNT/file") 2>/dev/null
    echo more >>"$MNT/folder/file"
    run ! rm "$MNT/file" "$MNT/folder/file"
    same_on_both chattr +c file || true
    same_on_both chattr -p 3 file || true
    chattr -R = "$MNT"
    same_on_both lsattr -R -d .
}
