#!/usr/bin/env bats
# -o config=FILE: limits and the like change while the mount lives, and never by halves.

load recovery
load holders

setup() {
    mkdir -p "$MNT" "$TEST_DIR/bin"
    CONFIG=$TEST_DIR/shm.conf
}

# settings LINE...: what the file says from now on.
settings() {
    printf '%s\n' "[shmfs]" "$@" >"$CONFIG.new"
    mv "$CONFIG.new" "$CONFIG"
}

# start [OPTIONS]: mounts with the file; the program is a copy that may be replaced or removed.
start() {
    install "$SHMFS" "$TEST_DIR/bin/shmfs"
    start_foreground "$TEST_DIR/bin/shmfs" "config=$CONFIG${1:+,$1}"
}

own_attribute() {
    getfattr --absolute-names --only-values -n "user.shmfs.$1" "$MNT"
}

log_has() {
    grep -qF -- "$1" "$LOG"
}

# reload TEXT: has the file read again; TEXT is what the log then has, and nobody serves by the old
# settings any more.
reload() {
    local old
    old=$(own_attribute workers)
    : >"$LOG"
    "$SHMFS" --reload "$MNT"
    wait_until 30 log_has "$1"
    wait_until 30 workers_more_than "$old"
}

workers_more_than() {
    [ "$(own_attribute workers)" -gt "$1" ]
}

df_shows() {
    [ "$(df -k --output="$1" "$MNT" | tail -n 1 | xargs)" = "$2" ]
}

@test "limits change in place, for df and for whoever grows something" {
    settings size=4m nr_objects=10
    start prefix=c1-,size=64m
    df_shows size,itotal "4096 10"
    truncate -s 3M "$MNT/a"
    settings size=2m nr_objects=20
    reload "in force: size=2097152,nr_objects=20"
    df_shows size,used,avail,itotal "2048 2048 0 20"
    run truncate -s 4M "$MNT/a"
    expect 1 "No space left on device"
    settings size=8m max_object=5m
    reload "in force: size=8388608,nr_objects=0,max_object=5242880"
    truncate -s 4M "$MNT/a"
    run truncate -s 6M "$MNT/a"
    expect 1 "File too large"
    run truncate -s 5M "$MNT/b"
    expect 1 "No space left on device"
    settings
    reload "in force: size=67108864"
    df_shows size 65536
    truncate -s 6M "$MNT/a"
}

@test "a limit holds for what was open before it, and counts what was unlinked" {
    settings
    start
    exec 7>"$MNT/open" 8>"$MNT/unlinked"
    truncate -s 2M "$MNT/unlinked"
    rm "$MNT/unlinked"
    head -c 1M /dev/zero >&7
    settings size=4m
    reload "in force: size=4194304"
    df_shows size,used "4096 3072"
    run sh -c "head -c 2M /dev/zero >&7"
    [ "$status" != 0 ]
    [ "$(stat -c %s "$SHM/open")" = 2097152 ]
    exec 7>&- 8>&-
}

@test "unlinked memory that was mapped before there was a limit counts" {
    ! without_passthrough || return 0 # there are no shared mappings
    settings
    start
    truncate -s 3M "$MNT/object"
    hold gonemap:"$MNT/object"
    settings size=4m
    reload "in force: size=4194304"
    df_shows size,used "4096 3072"
}

@test "mode, owner, umask and prealloc change in place" {
    settings mode=1777
    start
    [ "$(stat -c %a "$MNT")" = 1777 ]
    run_as "$NOBODY" touch "$MNT/theirs"
    settings mode=0750 gid=7 umask=077 prealloc=true
    reload "umask=77,mode=750,gid=7"
    [ "$(stat -c '%a %g' "$MNT")" = "750 7" ]
    run run_as "$NOBODY" ls "$MNT"
    expect 2 "Permission denied"
    umask 0
    echo >"$MNT/file"
    [ "$(stat -c %a "$SHM/file")" = 600 ]
    truncate -s 1M "$MNT/file"
    [ "$(blocks_of "$SHM/file")" -ge 2048 ]
    settings
    reload "umask=0"
    [ "$(stat -c '%a %g' "$MNT")" = "1777 0" ]
    run_as "$NOBODY" ls "$MNT"
}

@test "a bad file leaves all settings as they were, and the log has one line that says why" {
    settings size=4m mode=0700
    start
    settings size=8m mode=0755 frobnicate=1
    reload "old settings stay in force: frobnicate"
    [ "$(grep -c "$CONFIG" "$LOG")" = 1 ]
    df_shows size 4096
    [ "$(stat -c %a "$MNT")" = 700 ]
    settings size=8m mode=888
    reload "old settings stay in force: mode=888: not a valid value"
    df_shows size 4096
    settings size=8m prefix=x
    reload "old settings stay in force: prefix"
    rm "$CONFIG"
    reload "old settings stay in force: No such file"
    df_shows size 4096
    settings size=8m
    reload "in force: size=8388608"
    df_shows size 8192
}

@test "the last good settings hold for the worker after one that was killed" {
    settings size=4m
    start size=64m
    settings size=2m
    reload "in force: size=2097152"
    settings size=
    kill -KILL "$(own_attribute worker)"
    df_shows size 2048
    reload "old settings stay in force"
    kill -KILL "$(own_attribute worker)"
    df_shows size 2048
}

@test "the last good settings hold in the program that takes over" {
    settings size=4m
    start size=64m
    settings size=2m
    reload "in force: size=2097152"
    settings size=
    install "$SHMFS" "$TEST_DIR/bin/new"
    mv -f "$TEST_DIR/bin/new" "$TEST_DIR/bin/shmfs"
    for _ in 1 2; do
        reload "old settings stay in force"
        df_shows size 2048
    done
    [ "/proc/$MAIN/exe" -ef "$TEST_DIR/bin/shmfs" ]
    settings
    reload "in force: size=67108864"
    df_shows size 65536
}

@test "where no program can take over the file is read all the same" {
    settings size=4m mode=0700
    start
    rm "$TEST_DIR/bin/shmfs"
    settings size=2m mode=0750
    reload "in force: size=2097152"
    [ "$(stat -c %a "$MNT")" = 750 ]
    df_shows size 2048
    settings size=x
    reload "old settings stay in force: size=x"
    df_shows size 2048
}

# A copy of the program in which the word of -o has another name, as in one that has never heard of it.
@test "a program that does not know the options of the mount is refused" {
    settings size=4m
    start
    sed 's/config=/konfig=/g' "$SHMFS" >"$TEST_DIR/bin/old"
    chmod 755 "$TEST_DIR/bin/old"
    mv -f "$TEST_DIR/bin/old" "$TEST_DIR/bin/shmfs"
    reload "unknown option: -o config"
    df_shows size 4096
    [ "$(own_attribute upgrades)" = 0 ]
}

@test "a configuration that leads into the mount itself does not stop it" {
    settings size=4m
    start
    mv "$CONFIG" "$MNT/inside"
    ln -s "$MNT/inside" "$CONFIG"
    echo size=2m >>"$MNT/inside"
    reload "old settings stay in force: it cannot be read in time"
    df_shows size 4096
}

@test "a bad file at the start is an error, and nothing is mounted" {
    for line in size=x prefix=c1- nonsense; do
        settings "$line"
        run "$SHMFS" "$MNT" -o "config=$CONFIG"
        expect 1 "$CONFIG: "
        [ "${#lines[@]}" = 1 ]
        ! mountpoint -q "$MNT"
    done
    run "$SHMFS" "$MNT" -o "config=$TEST_DIR/absent"
    expect 1 "$TEST_DIR/absent: No such file"
    settings size=1m
    cp "$CONFIG" "$MNT/file"
    run "$SHMFS" "$MNT" -o "config=$MNT/file"
    expect 1 "keep the file elsewhere"
    rm "$MNT/file"
}

@test "the example is a configuration" {
    cp "$HERE/../../data/examples/limits.conf" "$CONFIG"
    start
    df_shows size,itotal "65536 1000"
    sed -i 's/^#\([a-z]\)/\1/' "$CONFIG"
    reload "in force: size=67108864,nr_objects=1000,max_object=16777216,prealloc,umask=27,mode=1777,uid=0,gid=0"
}

# settings_while PID SUPERVISOR SECONDS: other settings, that long apart, until PID has ended.
settings_while() {
    local pid=$1 supervisor=$2 seconds=$3 number=0
    while runs "$pid"; do
        number=$((number + 1))
        settings "nr_objects=$((100000 + number))" "umask=0" "mode=1777"
        kill -HUP "$supervisor"
        sleep "$seconds"
    done
    echo "# $number times"
    [ $number -gt 2 ]
}

@test "a load of every kind of operation sees nothing of settings that change" {
    settings
    mount_start "config=$CONFIG"
    disturbed settings_while 0.3 "$PROGRAMS/load" "$MNT" "$SHM" --seconds 4 "${MMAP[@]}"
    [ "$(df --output=itotal "$MNT" | tail -n 1)" -gt 100000 ]
}
