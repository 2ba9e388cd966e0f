#!/usr/bin/env bats
# variants: default asan
# What shmfsctl knows of the mounts: what each one shows, its limits and its service; and objects that are
# held through one that shows a part, or more than objects.

load ctl

# shown NAME [MOUNT]: what the mount says of itself.
shown() {
    getfattr --absolute-names --only-values -n "user.shmfs.$1" "${2:-$MNT}"
}

# mounts EXPRESSION: is it true of m, the list of mounts?
mounts() {
    ctl mounts --json | "$PYTHON" -c '
import json, sys
m = json.load(sys.stdin)
assert '"$1"', m'
}

@test "a mount says what it shows, and what it has no answer for is absent" {
    mount_start
    [ "$(shown view)" = posix ]
    [ "$(shown device)" = "$(stat -c %Hd:%Ld "$SHM")" ]
    [ "$(shown use)" = "size 10000
objects 1" ]
    for name in ipc prefix limits; do
        run shown $name
        expect 1 "No such attribute"
    done
    [ -z "$(getfattr --absolute-names -d -m - "$MNT" | grep user.shmfs)" ]
    run setfattr -n user.shmfs.view -v other "$MNT"
    [ "$status" = 1 ]
    mount_stop
    SOURCE=sysv mount_start
    [ "$(shown view) $(shown ipc)" = "sysv $(stat -L -c %i /proc/self/ns/ipc)" ]
    run shown device
    expect 1 "No such attribute"
    mount_stop
    SOURCE=all mount_start
    [ "$(shown view) $(shown ipc)" = "all $(stat -L -c %i /proc/self/ns/ipc)" ]
    [ "$(shown device)" = "$(stat -c %Hd:%Ld "$SHM")" ]
}

@test "mounts shows each mount, its use, and how often its worker was replaced" {
    run ctl mounts
    expect 1 ""
    mount_start
    ls "$MNT" >/dev/null
    mounts 'len(m) == 1 and m[0]["state"] == "ok" and m[0]["view"] == "posix" and m[0]["restarts"] == 0'
    mounts 'm[0]["requests"] > 0 and m[0]["size"] > m[0]["used"] >= 12288 and m[0]["max_size"] is None'
    kill -KILL "$(shown worker)"
    wait_until 10 restarted_once
    [ "$(shown view)" = posix ]
}

restarted_once() {
    ctl mounts | grep -Eq '^[^ ]+ +posix +- +ok +.* 1 +[0-9a-z]+ +[0-9]+$'
}

# The count of one kind of request.
requests() {
    ctl mounts -r -i 0.01 --no-headings | awk -v kind="$1" '$2 == kind { print $3 }'
}

@test "requests are counted by kind, across workers" {
    mount_start
    mkdir "$MNT/one" "$MNT/two"
    [ "$(requests mkdir)" = 2 ]
    kill -KILL "$(shown worker)"
    mkdir "$MNT/three"
    [ "$(requests mkdir)" = 3 ]
    ctl mounts -r -i 0.1 | grep -Eq '^MOUNTPOINT +REQUEST +COUNT +RATE$'
    rmdir "$MNT/one" "$MNT/two" "$MNT/three"
}

@test "mounts shows the prefix and the limits of a part, and what it holds alone" {
    mkdir "$TEST_DIR/part"
    mount_start prefix=team-,size=1m,nr_objects=7,max_object=512k
    mount_at "$TEST_DIR/part" prefix=ob
    head -c 5000 /dev/zero >"$MNT/one"
    mounts '[x["prefix"] for x in m] == ["team-", "ob"]'
    mounts '[x["used"] for x in m] == [5000, 10000] and [x["files"] for x in m] == [1, 1]'
    mounts '(m[0]["size"], m[0]["max_size"], m[0]["max_files"], m[0]["max_file_size"]) == (1 << 20, 1 << 20, 7, 1 << 19)'
    mounts '(m[1]["max_size"], m[1]["max_files"], m[1]["max_file_size"]) == (None, None, None)'
    ctl mounts -l | head -n 1 | grep -Eq ' MAX_SIZE +MAX_FILES +MAX_FILE_SIZE +SUPERVISOR +WORKER +DEVICE +IPC$'
    [ "$(script -qec "stty cols 80; '$SHMFSCTL' mounts" /dev/null </dev/null | tr -d '\r' | wc -L)" -le 80 ]
    umount "$TEST_DIR/part"
}

@test "of mounts at one place the one on top is shown" {
    mount_start
    mkdir "$TEST_DIR/other"
    SOURCE=all mount_at "$TEST_DIR/other"
    mount --bind "$TEST_DIR/other" "$MNT"
    umount "$TEST_DIR/other"
    mounts 'len(m) == 1 and m[0]["view"] == "all"'
    ctl metrics | "$PYTHON" "$HERE/python/exposition.py"
    umount "$MNT"
    mounts 'len(m) == 1 and m[0]["view"] == "posix"'
}

@test "who has the names of outside for what is held through a part" {
    mount_start prefix=team-
    cp "$SHM/object" "$MNT/inner"
    cp "$SHM/object" "$MNT/goner"
    hold map:"$MNT/inner" gone:"$MNT/goner"
    [ "$(how team-inner | grep -v ^shmfs | cut -d ' ' -f 2-)" = "map rw $MNT" ]
    [ "$(how "$MNT/inner")" = "$(how team-inner)" ]
    run ctl who inner
    expect 1 "there is no such object"
    [ "$(ctl ls --deleted --no-headings -o name)" = team-goner ]
    ctl who --no-headings team-goner | grep -q "^team-goner .* $MNT$"
    [ "$(ctl ls --no-headings -o name --sort name | paste -s -d ' ')" = "object team-inner" ]
}

@test "in the tree of everything only objects and segments are objects" {
    make_segment
    "$PYTHON" -c 'import ctypes, os
assert ctypes.CDLL(None, use_errno=True).sem_open(b"/one", os.O_CREAT, 0o600, 1)'
    SOURCE=all mount_start
    cp "$SHM/object" "$MNT/posix/goner"
    hold open:"$MNT/sem/one" map:"$MNT/posix/object" gone:"$MNT/posix/goner" map:"$MNT/sysv/$KEY"
    [ "$(ctl ls --no-headings -o name --sort name | paste -s -d ' ')" = "$KEY object sem.one" ]
    [ "$(ctl ls --deleted --no-headings -o name)" = goner ]
    for name in object $KEY; do
        [ "$(how $name | grep -v ^shmfs | cut -d ' ' -f 2-)" = "map rw $MNT" ]
    done
    [ "$(value opens,maps sem.one | tr -s ' ')" = "0 0" ]
    [ "$(how "$MNT/sysv/$KEY")" = "$(how $KEY)" ]
}

@test "a segment of another IPC namespace is another one, whatever its key and id" {
    # shellcheck disable=SC2016 # for the inner shell
    start_holder unshare --ipc bash -c '"$1" load 0x4d2 <"$2" && timeout 30 "$3" sysv "$4" &&
        exec "$5" "$6" "$7" "map:$4/0x000004d2"' \
        inner "$SHMFSCTL" "$SHM/object" "$SHMFS" "$MNT" "$PYTHON" "$HERE/python/hold.py" "$READY"
    # The first segment of a namespace that is as new: of the same id.
    # shellcheck disable=SC2016
    run unshare --ipc bash -c '"$1" load 0x4d2 <"$2"; stat -c %i "$3/0x000004d2"; "$1" ls -k sysv --no-headings -o id,maps
        "$1" who 0x4d2; "$1" who "$3/0x000004d2"' inner "$SHMFSCTL" "$SHM/object" "$MNT"
    [[ $output =~ ^([0-9]+)$'\n '*([0-9]+)' '+0$'\n' ]]
    [ "${BASH_REMATCH[1]}" = $((BASH_REMATCH[2] + 0x80000000)) ]
    expect 1 "0x4d2: nobody that can be seen holds it"
    expect 1 "$MNT/$KEY: there is no such object"
    release
    mount_stop
}

@test "under a mount over the directory native holders are seen, and gc leaves objects alone" {
    hold map:"$SHM/object"
    cp "$SHM/object" "$SHM/free"
    mount_at "$SHM"
    [ "$(how object | grep -v ^shmfs | cut -d ' ' -f 2-)" = "map rw native" ]
    hold map:"$SHM/object"
    [ "$(how object | grep -v ^shmfs | cut -d ' ' -f 2- | paste -s -d ,)" = "map rw $SHM,map rw native" ]
    run ctl gc --partial --yes
    expect 3 "1 left alone: $SHM is a mount of shmfs"
    [ -e "$SHM/free" ]
    ctl doctor | grep -Eq "^ok +$SHM .*, a mount of shmfs \(view posix\)$"
    release
    umount "$SHM"
}

@test "metrics are what Prometheus reads, and replace a file at once" {
    make_segment
    strange=$TEST_DIR/a$'\n'"\"b\\ {c}"
    mkdir "$strange"
    mount_start size=1m
    mount_at "$strange" prefix=team-
    hold map:"$SHM/object"
    ctl metrics >"$TEST_DIR/metrics"
    "$PYTHON" "$HERE/python/exposition.py" <"$TEST_DIR/metrics"
    for line in 'shmfs_objects{owner="root",kind="posix"} 1' 'shmfs_orphans{owner="root",kind="posix"} 0' \
        'shmfs_orphans{owner="root",kind="sysv"} 1' \
        "shmfs_mount_up{mountpoint=\"$MNT\",view=\"posix\",prefix=\"\"} 1" \
        "shmfs_mount_up{mountpoint=\"$TEST_DIR/a\\n\\\"b\\\\ {c}\",view=\"posix\",prefix=\"team-\"} 1" \
        "shmfs_mount_limit_bytes{mountpoint=\"$MNT\",view=\"posix\",prefix=\"\"} 1048576" \
        "shmfs_mount_requests_total{mountpoint=\"$MNT\",view=\"posix\",prefix=\"\",request=\"init\"} 1"; do
        grep -Fxq "$line" "$TEST_DIR/metrics" || {
            echo "there is no line $line"
            cat "$TEST_DIR/metrics"
            return 1
        }
    done
    ctl metrics -o "$TEST_DIR/shm.prom"
    [ "$(stat -c %a "$TEST_DIR/shm.prom")" = 644 ]
    [ "$(find "$TEST_DIR" -name 'shm.prom*' | wc -l)" = 1 ]
    run ctl metrics -o "$TEST_DIR/nowhere/x"
    expect 1 "No such file"
    umount "$strange"
}

@test "two users of one name are one owner in the metrics" {
    { cat /etc/passwd; echo "root:x:4321:0::/:/bin/sh"; } >"$TEST_DIR/passwd"
    cp "$SHM/object" "$SHM/other"
    chown 4321 "$SHM/other"
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --propagation private sh -c 'mount --bind "$0" /etc/passwd; exec "$1" metrics' \
        "$TEST_DIR/passwd" "$SHMFSCTL" >"$TEST_DIR/metrics"
    "$PYTHON" "$HERE/python/exposition.py" <"$TEST_DIR/metrics"
    grep -Fxq 'shmfs_objects{owner="root",kind="posix"} 2' "$TEST_DIR/metrics"
}

@test "the check of metrics finds what is wrong" {
    wrong() {
        run "$PYTHON" "$HERE/python/exposition.py" < <(printf '%b' "$1")
        expect 1 "$2"
    }
    local head='# HELP a Text.\n# TYPE a gauge\n'
    wrong 'a 1\n' "no TYPE"
    wrong "${head}a 1\na 1\n" "twice"
    wrong "${head}a{b=\"1\"} 1\na{b=\"1\"} 2\n" "twice"
    wrong "${head}a{b=\"\"\"} 1\n" "no sample"
    wrong "${head}a{1b=\"x\"} 1\n" "no sample"
    wrong "${head}a x\n" "no sample"
    wrong "${head}a 1" "newline"
    wrong "${head}${head}a 1\n" "twice"
    wrong '# TYPE a gauge\na 1\n' "no HELP"
    wrong '# HELP a Text.\n# TYPE a counter\na 1\n' "_total"
    run "$PYTHON" "$HERE/python/exposition.py" < <(printf '%b' "${head}a{b=\"x\\\\\\\\\\\\\"\"} 1.5\n")
    expect 0 ""
}
