#!/usr/bin/env bats
# Mount options do to the mount what mount(8) says of them.

load shell

# has_options OPTION...: as /proc/self/mounts shows them.
has_options() {
    local option shown
    shown=,$(findmnt -n -o OPTIONS --mountpoint "$MNT"),
    for option in "$@"; do
        [[ $shown == *,$option,* ]] || {
            echo "$option is not in $shown"
            return 1
        }
    done
}

@test "ro refuses every change, and shows what is changed natively" {
    echo text >"$SHM/file"
    mkdir "$SHM/folder"
    mount_start ro
    has_options ro
    for command in "touch $MNT/new" "rm $MNT/file" "mkdir $MNT/new" "mv $MNT/file $MNT/new" \
        "chmod 600 $MNT/file" "truncate -s 0 $MNT/file" "ln -s x $MNT/new" "rmdir $MNT/folder" \
        "setfattr -n user.x -v y $MNT/file" "ln $MNT/file $MNT/new" "touch $MNT/file"; do
        # shellcheck disable=SC2086
        run $command
        expect 1 "Read-only file system"
    done
    [ "$(cat "$MNT/file")" = text ]
    echo more >>"$SHM/file"
    [ "$(wc -l <"$MNT/file")" = 2 ]
    echo new >"$SHM/new"
    [ "$(cat "$MNT/new")" = new ]
}

@test "noexec refuses to run programs, exec allows it" {
    cp /bin/true "$SHM/program"
    mount_start noexec
    has_options noexec
    run "$MNT/program"
    expect 126 "Permission denied"
    mount_stop
    mount_start exec
    "$MNT/program"
}

@test "a set-user-id program gives nothing with nosuid" {
    # It copies the identity it runs with.
    cp /usr/bin/id "$SHM/id"
    chmod 4755 "$SHM/id"
    mount_start nosuid
    has_options nosuid
    [ "$(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups "$MNT/id" -u)" = "$NOBODY" ]
    mount_stop
    mount_start suid
    [ "$(setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups "$MNT/id" -u)" = 0 ]
}

@test "a device node in the shared memory opens no device with nodev" {
    mknod "$SHM/null" c 1 3
    chmod 666 "$SHM/null"
    mount_start nodev
    has_options nodev
    same_on_both stat -c '%F %t:%T %a' null
    run sh -c "echo x >'$MNT/null'"
    [ "$status" != 0 ]
    [ "$(stat -c %F "$SHM/null")" = "character special file" ]
}

@test "set-user-id programs and devices are off unless they are asked for" {
    mount_start
    has_options nosuid nodev rw
}

@test "default_permissions and allow_other come by themselves for root" {
    mount_start
    has_options default_permissions allow_other
}

@test "options that mount(8) passes on or that mean nothing here are accepted" {
    options=defaults,auto,nofail,_netdev,x-systemd.automount,rw,dev,suid,exec,async,relatime
    mount_start "$options,subtype=shmfs"
    echo text >"$MNT/file"
    [ "$(cat "$SHM/file")" = text ]
}

@test "every option that says how to serve keeps the promise of one memory" {
    for option in max_threads=1 max_threads=16 poll=0 poll=500 awake=0 no_resend no_supervise \
        entry_timeout=0 attr_timeout=0 mmap=coherent; do
        mount_start $option
        for number in {1..20}; do
            echo "$number" >"$MNT/a$number"
            [ "$(cat "$SHM/a$number")" = "$number" ]
            echo "$number$number" >"$SHM/b$number"
            [ "$(cat "$MNT/b$number")" = "$number$number" ]
        done
        same_on_both ls -li
        rm "$MNT"/a* "$SHM"/b*
        [ -z "$(ls -A "$MNT")" ]
        mount_stop
    done
}
