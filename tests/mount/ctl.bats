#!/usr/bin/env bats
# variants: default asan
# shmfsctl says who holds what, with a mount and without one, and removes only what nobody holds.

load ctl

@test "ls shows objects and segments with sizes, owners and modes" {
    make_segment
    truncate -s 5M "$SHM/hole"
    [ "$(ctl ls -b --no-headings -o name,kind,size,resident,owner,mode --sort name | tr -s ' ')" = \
        "$KEY sysv 10000 12288 root 0600
hole posix 5242880 0 root 0644
object posix 10000 12288 root 0644" ]
    ctl ls | head -n 1 | grep -Eq '^NAME +KIND +SIZE +RESIDENT +SWAPPED +OWNER +MODE +AGE +MAPS +OPENS +PIDS$'
}

@test "ls finds by pattern, kind, user, size and age, and status 1 says that nothing matched" {
    make_segment
    truncate -s 5M "$SHM/large"
    chown "$NOBODY" "$SHM/large"
    : >"$SHM/sem.one"
    [ "$(ctl ls --no-headings -o name 'l*')" = large ]
    [ "$(ctl ls --no-headings -o name /object)" = object ]
    [ "$(ctl ls --no-headings -o name --kind sysv)" = $KEY ]
    [ "$(ctl ls --no-headings -o name -k sem)" = sem.one ]
    [ "$(ctl ls --no-headings -o name --user "$NOBODY")" = large ]
    [ "$(ctl ls --no-headings -o name --larger 1M)" = large ]
    run ctl ls --older 1d
    expect 1 ""
    run ctl ls nothing
    expect 1 ""
}

@test "ls sorts by any column, also one that is not shown" {
    truncate -s 1M "$SHM/b"
    truncate -s 2M "$SHM/a"
    [ "$(ctl ls --no-headings -o name --sort size | paste -s -d ' ')" = "a b object" ]
    [ "$(ctl ls --no-headings -o name --sort size -r | paste -s -d ' ')" = "object b a" ]
    [ "$(ctl ls --no-headings -o name --sort name | paste -s -d ' ')" = "a b object" ]
}

@test "what is not understood is status 2, and says what it was" {
    run ctl
    expect 2 "usage:"
    run ctl nonsense
    expect 2 "there is no command 'nonsense'"
    run ctl ls --nonsense
    expect 2 "nonsense"
    run ctl ls -o nonsense
    expect 2 "there is no column 'nonsense'"
    run ctl ls --larger 5X
    expect 2 "'5X' is no size"
    run ctl ls --older soon
    expect 2 "'soon' is no age"
    run ctl ls --user nobody-at-all
    expect 2 "there is no user"
    run ctl ls --kind thing
    expect 2 "there is no kind 'thing'"
    run ctl gc --deleted
    expect 2 "--deleted"
    run ctl who
    expect 2 "name an object"
    run ctl top --delay 0
    expect 2 "a delay from 0.1"
}

@test "an answer that cannot be written is no success" {
    # shellcheck disable=SC2016 # for the inner shell
    for command in ls 'ls --json' metrics doctor --help; do
        run sh -c '"$0" $1 >/dev/full' "$SHMFSCTL" "$command"
        expect 1 "standard output cannot be written: No space left"
    done
}

@test "JSON has numbers for numbers, and lists for lists" {
    hold map:"$SHM/object"
    ctl ls --json | "$PYTHON" -c '
import json, sys
(item,) = json.load(sys.stdin)
assert item["name"] == "object" and item["size"] == 10000, item
assert item["maps"] == 1 and item["opens"] == 0 and item["pids"] == ['"${HOLDERS[0]}"'], item'
    ctl ls --json -l | grep -q "\"${HOLDERS[0]}:python3"
}

@test "names that would write to the terminal are made harmless" {
    echo x >"$SHM/"$'\033[31mred\n'
    ctl ls --no-headings -o name 'red*' '*red*' | grep -Fxq '\x1b[31mred\x0a'
    ctl ls --json | "$PYTHON" -c 'import json, sys; json.load(sys.stdin)'
}

@test "files in directories are found, links and other files are passed over" {
    mkdir "$SHM/folder"
    echo x >"$SHM/folder/file"
    ln -s object "$SHM/link"
    mkfifo "$SHM/fifo"
    [ "$(ctl ls --no-headings -o kind,name --sort name | tr -s ' ' | paste -s -d ,)" = "file folder/file,posix object" ]
}

@test "another directory is looked at with --dir" {
    mkdir "$TEST_DIR/other"
    mount -t tmpfs tmpfs "$TEST_DIR/other"
    echo x >"$TEST_DIR/other/elsewhere"
    hold map:"$SHM/object" open:"$TEST_DIR/other/elsewhere"
    [ "$(ctl ls --dir "$TEST_DIR/other" --no-headings -o name,maps,opens | tr -s ' ')" = "elsewhere 0 1" ]
    run ctl ls --dir "$SHM/object"
    expect 1 "Not a directory"
    run ctl ls --dir "$TEST_DIR/nowhere"
    expect 1 "$TEST_DIR/nowhere: shared memory cannot be listed: No such file"
}

@test "who sees a native mapping, a read-only one and a descriptor" {
    hold map:"$SHM/object" read:"$SHM/object" open:"$SHM/object"
    [ "$(how object | cut -d ' ' -f 2-)" = "fd ro native
map ro native
map rw native" ]
    [ "$(how "$SHM/object")" = "$(how object)" ]
    ctl who object | grep -Eq "^object +${HOLDERS[0]} +root +python3.* +map rw +[0-9a-f]+-[0-9a-f]+ +[0-9.]+K +native$"
    [ "$(value maps,opens object | tr -s ' ')" = "2 1" ]
}

@test "who sees a mapping and a descriptor through a mount" {
    mount_start
    hold map:"$MNT/object" open:"$MNT/object"
    [ "$(how object | grep -v ^shmfs | cut -d ' ' -f 2-)" = "fd ro $MNT
map rw $MNT" ]
    [ "$(how "$MNT/object")" = "$(how object)" ]
}

@test "a mount that shows another directory holds nothing of this one" {
    mkdir "$TEST_DIR/other"
    mount -t tmpfs -o mode=1777 tmpfs "$TEST_DIR/other"
    cp "$SHM/object" "$TEST_DIR/other/object" # the same inode number there
    mount_start "shm_dir=$TEST_DIR/other"
    hold map:"$MNT/object"
    run ctl who object
    expect 1 "nobody that can be seen holds it"
    [ "$(ctl who --dir "$TEST_DIR/other" --no-headings object | wc -l)" = 1 ]
    release
    mount_stop
}

@test "who sees who attached a segment, natively and through a mount" {
    make_segment
    hold segment:$KEY
    [ "$(how $KEY | cut -d ' ' -f 2-)" = "map rw native" ]
    SOURCE=sysv mount_start
    hold map:"$MNT/$KEY"
    [ "$(how $KEY | grep -v ^shmfs | cut -d ' ' -f 2-)" = "map rw $MNT
map rw native" ]
    id=$(value id $KEY)
    for word in 0x4d2 "$id" "shmid.$id" "$MNT/$KEY"; do
        [ "$(how "$word")" = "$(how $KEY)" ]
    done
    [ "$(value attached,maps $KEY | tr -s ' ')" = "1 2" ]
}

@test "deleted objects that still hold memory are found" {
    cp "$SHM/object" "$SHM/mapped"
    hold gone:"$SHM/object" gonemap:"$SHM/mapped"
    run ctl ls
    expect 1 ""
    [ "$(ctl ls --deleted -b --no-headings -o name,size,resident,maps,opens --sort name | tr -s ' ')" = \
        "mapped 10000 12288 1 0
object 10000 12288 0 1" ]
    [ "$(how mapped | cut -d ' ' -f 2-)" = "map rw native" ]
    [ "$(ctl dump object | wc -c)" = 10000 ]
}

@test "who and ls say that there is nobody, or no such object" {
    run ctl who object
    expect 1 "object: nobody that can be seen holds it"
    run ctl who nothing
    expect 1 "nothing: there is no such object"
    [ "$(ctl ls --orphans --no-headings -o name)" = object ]
    hold open:"$SHM/object"
    run ctl ls --orphans
    expect 1 ""
}

@test "another user's holder is seen by root" {
    cp "$HERE/python/hold.py" "$TEST_DIR/hold.py"
    start_holder setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups \
        "$PYTHON" "$TEST_DIR/hold.py" "$READY" read:"$SHM/object"
    ctl who object | grep -Eq "^object +[0-9]+ +nobody "
}

@test "who may not look into all processes judges nothing" {
    hold map:"$SHM/object"
    run run_as "$NOBODY" "$SHMFSCTL" gc
    expect 3 "processes could not be looked into"
    run run_as "$NOBODY" "$SHMFSCTL" who object
    expect 3 "nobody that can be seen"
    run run_as "$NOBODY" "$SHMFSCTL" gc --yes --partial
    expect 3 "left alone"
    [ -e "$SHM/object" ]
}

@test "a holder inside another PID namespace is seen" {
    start_holder unshare --pid --fork --kill-child --mount-proc \
        "$PYTHON" "$HERE/python/hold.py" "$READY" map:"$SHM/object"
    [ "$(how object | cut -d ' ' -f 2-)" = "map rw native" ]
    run ctl gc
    expect 1 ""
}

@test "gc lists, and removes only with --yes, and only what nobody holds" {
    make_segment
    make_segment 0x000004d3
    cp "$SHM/object" "$SHM/held"
    cp "$SHM/object" "$SHM/open"
    hold map:"$SHM/held" segment:0x000004d3 open:"$SHM/open"
    [ "$(ctl gc --partial --no-headings | awk '{ print $1 }' | sort | paste -s -d ' ')" = "$KEY object" ]
    [ -e "$SHM/object" ]
    ctl gc --partial --yes | grep -c 'removed$' | grep -qx 2
    [ "$(ctl ls --no-headings -o name --sort name | paste -s -d ' ')" = "0x000004d3 held open" ]
    run ctl gc --partial --yes
    expect 1 ""
}

@test "gc takes names, users and ages, and semaphores only when asked to" {
    : >"$SHM/sem.one"
    cp "$SHM/object" "$SHM/other"
    chown "$NOBODY" "$SHM/other"
    run ctl gc --older 1d
    expect 1 ""
    [ "$(ctl gc --match 'ob*' --no-headings | awk '{ print $1 }')" = object ]
    [ "$(ctl gc --user "$NOBODY" --no-headings | awk '{ print $1 }')" = other ]
    ctl gc --yes >/dev/null
    [ "$(ls "$SHM")" = sem.one ]
    ctl gc --semaphores --yes >/dev/null
    [ -z "$(ls -A "$SHM")" ]
}

@test "gc leaves a segment to the process that made it, and what it cannot judge" {
    start_holder "$PYTHON" -c '
import ctypes, pathlib, signal, sys
ctypes.CDLL(None).shmget(0x4d2, 5000, 0o1600)
pathlib.Path(sys.argv[1]).touch()
signal.pause()' "$READY"
    rm "$SHM/object"
    run ctl gc --partial
    expect 1 ""
    run ctl gc
    expect 1 "1 segment left alone" # this is a PID namespace
}

@test "gc asks the kernel: what is held outside of its PID namespace stays" {
    hold map:"$SHM/object"
    run unshare --pid --fork --kill-child --mount-proc "$SHMFSCTL" gc --yes
    expect 1 "in use, by whom cannot be seen"
    [ -e "$SHM/object" ]
}

@test "gc gives an object its name again that an interrupted gc had put aside" {
    mv "$SHM/object" "$SHM/.shmfsctl.object"
    run ctl gc
    expect 1 "1 object that an interrupted gc had put aside has its name again"
    [ "$(ls -A "$SHM")" = object ]
}

@test "gc never removes what processes open meanwhile" {
    run "$(dirname "$SHMFS")/../tests/ctl/gc-race" "$SHM" 2000
    echo "# $output"
    expect 0 " late 0 lost 0"
}

@test "stat shows one object in full" {
    hold map:"$SHM/object"
    ctl stat -b object >"$TEST_DIR/stat"
    for line in 'NAME +object' 'SIZE +10000' 'RESIDENT +12288' 'SWAPPED +0' 'MAPS +1' 'LINKS +1' 'DELETED +no' 'HUGE +0'; do
        grep -Eqx "$line" "$TEST_DIR/stat"
    done
    make_segment
    ctl stat --json $KEY | "$PYTHON" -c '
import json, sys
item = json.load(sys.stdin)
assert item["deleted"] is False
assert item["kind"] == "sysv" and item["size"] == 10000 and item["key"] == "0x000004d2", item'
    run ctl stat nothing
    expect 1 "there is no such object"
}

@test "dump and load keep bytes and holes" {
    truncate -s 3M "$SHM/sparse"
    dd if="$SHM/object" of="$SHM/sparse" bs=1 seek=1000000 conv=notrunc status=none
    ctl dump sparse -o "$TEST_DIR/file"
    ctl dump sparse | ctl load --mode 640 copy
    ctl load /again "$TEST_DIR/file"
    for file in "$TEST_DIR/file" "$SHM/copy" "$SHM/again"; do
        cmp "$SHM/sparse" "$file"
    done
    [ "$(blocks_of "$SHM/copy")" = "$(blocks_of "$SHM/sparse")" ]
    [ "$(blocks_of "$TEST_DIR/file")" -lt 200 ]
    [ "$(stat -c %a "$SHM/copy")" = 640 ]
}

@test "dump and load work with segments, from a pipe and from a file" {
    make_segment
    ctl dump $KEY | cmp - "$SHM/object"
    ctl dump $KEY | ctl load 0x4d3
    ctl dump 0x000004d3 | cmp - "$SHM/object"
    head -c 5000 "$SHM/object" >"$TEST_DIR/short"
    ctl load --force 0x4d3 "$TEST_DIR/short"
    { cat "$TEST_DIR/short"; head -c 5000 /dev/zero; } | cmp - <(ctl dump 0x4d3)
    head -c 20000 /dev/zero >"$TEST_DIR/long"
    run ctl load --force 0x4d3 "$TEST_DIR/long"
    expect 1 "longer than the segment"
}

@test "load fills what exists only with --force, and then in place" {
    inode=$(stat -c %i "$SHM/object")
    run ctl load object </dev/null
    expect 1 "it exists; --force"
    echo new | ctl load --force object
    [ "$(cat "$SHM/object") $(stat -c %i "$SHM/object")" = "new $inode" ]
    run ctl load a/b </dev/null
    expect 2 "is no name of an object"
    run ctl load .. </dev/null
    expect 2 "is no name of an object"
    run ctl load --mode 999 x </dev/null
    expect 2 "is no mode"
}

@test "a dead mount is called dead, and keeps nobody waiting" {
    mount_start no_supervise
    hold map:"$SHM/object"
    kill -KILL "$(daemon_processes)"
    daemon_ended
    ctl mounts | grep -Eq "^$MNT +posix +- +dead "
    [ "$(how object | cut -d ' ' -f 2-)" = "map rw native" ]
    umount "$MNT"
}

@test "a mount that does not answer is called so after a while" {
    mount_start
    worker=$(getfattr --only-values -n user.shmfs.worker "$MNT")
    supervisor=$(getfattr --only-values -n user.shmfs.supervisor "$MNT")
    kill -STOP "$supervisor" "$worker"
    ctl mounts | grep -q "does not answer" || failed=1
    ctl ls object >/dev/null || failed=1
    kill -CONT "$supervisor" "$worker"
    [ -z "${failed:-}" ]
}

@test "doctor has a line for each subject, and says what to do" {
    run ctl doctor
    [ "$status" -le 1 ]
    for subject in kernel resend /dev/fuse passthrough libfuse CAP_SYS_ADMIN 'file handles' leases CAP_SYS_PTRACE \
        processes 'open files' "$SHM" segments cachestat; do
        grep -Eq "^(ok  |FIX ) +$subject " <<<"$output"
    done
    [ "$(wc -l <<<"$output")" = 14 ]
    run run_as "$NOBODY" "$SHMFSCTL" doctor
    expect 1 "FIX   CAP_SYS_ADMIN"
    expect 1 "FIX   CAP_SYS_PTRACE"
    expect 1 "FIX   leases"
}

@test "doctor finds a directory that is full, gone or none of memory, and too few open files" {
    mkdir "$TEST_DIR/full"
    mount -t tmpfs -o size=1m tmpfs "$TEST_DIR/full"
    head -c 1000K /dev/zero >"$TEST_DIR/full/object"
    run ctl doctor --dir "$TEST_DIR/full"
    expect 1 "nearly full; shmfsctl ls and shmfsctl gc say what may go"
    run ctl doctor --dir "$TEST_DIR/nowhere"
    expect 1 "cannot be used (No such file or directory): mount a tmpfs there"
    run ctl doctor --dir /proc
    expect 1 "is no tmpfs"
    ulimit -n 1000
    run ctl doctor
    expect 1 "raise the hard limit"
}

@test "top prints what it would draw, with growth from one look to the next" {
    hold map:"$SHM/object"
    ctl top -b -n 1 | grep -Eq '^object +posix +9\.8K +12K +0 +1 +root +[0-9]+s [0-9]+:python3'
    ctl top -b -n 2 -d 1 >"$TEST_DIR/top" 3>&- &
    wait_until 20 grep -q '^object' "$TEST_DIR/top"
    head -c 8M /dev/urandom >>"$SHM/object"
    wait $!
    tail -n 1 "$TEST_DIR/top" | grep -Eq '^object +posix +8\.0M +8\.0M +\+[0-9.]+M '
}

@test "top draws on a terminal of 80 by 24, and leaves it as it was" {
    for how in q int key; do
        "$PYTHON" "$HERE/python/screen.py" $how "$SHMFSCTL" top -d 0.5 >"$TEST_DIR/screen"
        head -n 1 "$TEST_DIR/screen" | grep -Fxq "status 0 restored True"
        grep -q object "$TEST_DIR/screen"
    done
    run ctl top </dev/null
    expect 2 "needs a terminal"
}
