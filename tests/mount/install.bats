#!/usr/bin/env bats
# What `meson install` puts where, and that it works there: mount(8)'s helpers, fstab, the unit,
# completion.
# variants: default

load shell

BUILD=$(dirname "$(dirname "$SHMFS")")
SOURCES=$HERE/../..
export BUILD SOURCES

# Installs into a folder, and shows what is there as the system's own, to this file alone: what is
# mounted here ends with its namespace.
setup_file() {
    ROOT=$(mktemp -d)
    export ROOT
    meson install -C "$BUILD" --no-rebuild --skip-subprojects --destdir "$ROOT" >"$ROOT.log" 2>&1 || {
        cat "$ROOT.log"
        return 1
    }
    UNIT=$ROOT/usr/local/lib/systemd/system/shmfs@.service
    SHARE=$ROOT/usr/local/share
    export UNIT SHARE
    cp -a /usr/sbin "$ROOT/before"
    mount -t tmpfs tmpfs /usr/sbin
    cp -a "$ROOT/before/." "$ROOT/sbin/." /usr/sbin
    [ /sbin -ef /usr/sbin ] || mount --bind /usr/sbin /sbin
    mount --bind "$ROOT/usr/local/bin" /usr/local/bin
}

@test "everything is where it belongs, and nothing else" {
    find "$ROOT" -path "$ROOT/before" -prune -o ! -type d -printf '%P\n' | sort >"$TEST_DIR/found"
    sort >"$TEST_DIR/wanted" <<-END
	sbin/mount.fuse.shmfs
	sbin/mount.shmfs
	usr/local/bin/shmfs
	usr/local/bin/shmfsctl
	usr/local/lib/systemd/system/shmfs@.service
	usr/local/share/bash-completion/completions/shmfs
	usr/local/share/bash-completion/completions/shmfsctl
	usr/local/share/doc/shmfs/examples/fstab
	usr/local/share/doc/shmfs/examples/limits.conf
	usr/local/share/doc/shmfs/examples/mnt-shm.conf
	usr/local/share/fish/vendor_completions.d/shmfs.fish
	usr/local/share/fish/vendor_completions.d/shmfsctl.fish
	usr/local/share/man/man1/shmfsctl.1
	usr/local/share/man/man8/mount.fuse.shmfs.8
	usr/local/share/man/man8/mount.shmfs.8
	usr/local/share/man/man8/shmfs.8
	usr/local/share/zsh/site-functions/_shmfs
	usr/local/share/zsh/site-functions/_shmfsctl
	END
    diff "$TEST_DIR/wanted" "$TEST_DIR/found"
    # libfuse is inside the program.
    ! grep -i 'fuse3\|/include/' "$TEST_DIR/found" || false
}

# mount(8) as a service starts it: without a PATH of any use.
mount8() {
    timeout 30 env -i PATH=/nowhere /usr/bin/mount "$@" </dev/null 3>&- 4>&-
}

@test "mount -t shmfs and -t fuse.shmfs mount, with options, whatever PATH is" {
    for type in shmfs fuse.shmfs; do
        mount8 -t $type posix "$MNT" -o ro,noexec,max_threads=2
        grep -Eq "^posix $MNT fuse.shmfs ro,[^ ]*noexec" /proc/self/mounts
        mount_stop
    done
    mount8 -t shmfs sysv "$MNT"
    grep -q "^sysv $MNT fuse.shmfs rw," /proc/self/mounts
    mount_stop
}

@test "mount(8) reports what was wrong" {
    run mount8 -t shmfs posix "$MNT" -o nonsense_option
    [ "$status" != 0 ] && [ "$status" -lt 124 ]
    [[ $output == *nonsense_option* ]]
}

@test "the example's lines of fstab mount" {
    mkdir -p "$TEST_DIR/shm" "$TEST_DIR/sysv" "$TEST_DIR/all"
    sed "s| /mnt/| $TEST_DIR/|" "$SHARE/doc/shmfs/examples/fstab" >"$TEST_DIR/fstab"
    mount8 --fstab "$TEST_DIR/fstab" -a
    echo text >"$TEST_DIR/shm/file"
    [ "$(cat "$SHM/file")" = text ]
    grep -q "^sysv $TEST_DIR/sysv fuse.shmfs ro," /proc/self/mounts
    ! mountpoint -q "$TEST_DIR/all" || false # noauto
    mount8 --fstab "$TEST_DIR/fstab" "$TEST_DIR/all"
    [ "$(cat "$TEST_DIR/all/posix/file")" = text ]
    mount8 --fstab "$TEST_DIR/fstab" -a # has nothing to do
    umount "$TEST_DIR/all" "$TEST_DIR/sysv" "$TEST_DIR/shm"
    daemon_ended
}

@test "a reload keeps a mount that mount(8) made" {
    mount8 -t shmfs posix "$MNT"
    shmfs --reload "$MNT"
    upgraded() { [ "$(getfattr --only-values -n user.shmfs.upgrades "$MNT" 2>/dev/null)" = 1 ]; }
    wait_until 20 upgraded
    mount_stop
}

# value NAME: of the unit, several lines joined.
value() {
    sed -n "s/^$1=//p" "$UNIT" | paste -s -d ' '
}

@test "systemd finds no fault in the unit, nor in its instance" {
    run systemd-analyze verify --man=no "$UNIT"
    # Of other units of the machine it may complain.
    ! grep shmfs <<<"$output" || false
    [ "$(systemd-escape --path /mnt/shm)" = mnt-shm ]
    grep -q 'mnt-shm.service' "$SHARE/doc/shmfs/examples/mnt-shm.conf"
}

# as_service COMMAND...: with the capabilities that the unit leaves.
as_service() {
    local caps
    caps=$(value CapabilityBoundingSet | tr 'A-Z' 'a-z' | sed 's/cap_/+/g; s/ /,/g')
    setpriv --no-new-privs --bounding-set="-all,$caps" "$@"
}

# The unit's command line with the example's configuration, in its words.
unit_command() {
    local VIEW=posix OPTIONS=defaults command
    # shellcheck source=/dev/null
    . "$SHARE/doc/shmfs/examples/mnt-shm.conf"
    command=$(value ExecStart)
    command=${command//'${OPTIONS}'/$OPTIONS}
    command=${command//'${VIEW}'/$VIEW}
    COMMAND="${command//%f/$MNT}"
}

@test "the unit's command, capabilities and system calls are enough for all that a mount does" {
    unit_command
    # shellcheck disable=SC2086 # the words of a command line
    as_service strace -f -qq -e signal=none -o "$TEST_DIR/calls" $COMMAND \
        >"$TEST_DIR/log" 2>&1 </dev/null 3>&- 4>&- &
    wait_until 20 mountpoint -q "$MNT"
    work
    as_service shmfs --reload "$MNT"
    upgraded() { [ "$(getfattr --only-values -n user.shmfs.upgrades "$MNT" 2>/dev/null)" = 1 ]; }
    wait_until 30 upgraded
    work
    kill -TERM "$(getfattr --only-values -n user.shmfs.supervisor "$MNT" 2>/dev/null)"
    daemon_ended
    cat "$TEST_DIR/log"
    ! grep -i 'passthrough\|cannot' "$TEST_DIR/log" || false
    calls_allowed
}

# Something of everything, on the mount.
work() {
    echo text >"$MNT/file"
    "$PYTHON" -c 'import mmap, sys
f = open(sys.argv[1], "r+b")
mmap.mmap(f.fileno(), 0)[0:4] = b"TEXT"' "$MNT/file"
    [ "$(cat "$SHM/file")" = TEXT ]
    chmod 4755 "$MNT/file"
    [ "$(stat -c %a "$SHM/file")" = 4755 ]
    chown "$NOBODY" "$MNT/file"
    setfattr -n user.name -v value "$MNT/file"
    setfacl -m u:7:r "$MNT/file"
    ln "$MNT/file" "$MNT/link"
    mv "$MNT/link" "$MNT/moved"
    cp --sparse=always "$MNT/file" "$MNT/copy"
    fallocate -l 8192 "$MNT/copy"
    fallocate -p -l 4096 "$MNT/copy"
    mkfifo "$MNT/fifo"
    mknod "$MNT/device" c 1 3
    ln -s file "$MNT/symbolic"
    mkdir -m 777 "$MNT/folder"
    run_as "$NOBODY" sh -c "echo theirs >'$MNT/folder/file'; chmod 600 '$MNT/folder/file'"
    [ "$(stat -c %u "$SHM/folder/file")" = "$NOBODY" ]
    mv "$SHM/moved" "$SHM/natively"
    wait_until 5 test ! -e "$MNT/moved"
    df "$MNT" >/dev/null
    find "$MNT" -ls >/dev/null
    rm -r "${MNT:?}"/*
    [ -z "$(ls -A "$SHM")" ]
}

# Every system call that was made is one that SystemCallFilter= lets through.
calls_allowed() {
    local word
    for word in $(value SystemCallFilter); do
        case $word in
        @*) echo "$word" ;;
        *) echo " $word" ;;
        esac
    done | expand_calls | sort -u >"$TEST_DIR/allowed"
    # An strace that is older than a call (fchmodat2 of Linux 6.6) prints its number.
    sed -n 's/^[0-9]* *\(<\.\.\. \)\?\([a-z][a-z0-9_]*\)[( ].*/\2/p' "$TEST_DIR/calls" |
        sed 's/^syscall_0x1c4$/fchmodat2/' | sort -u >"$TEST_DIR/made"
    [ "$(wc -l <"$TEST_DIR/made")" -gt 50 ]
    run comm -23 "$TEST_DIR/made" "$TEST_DIR/allowed"
    [ -z "$output" ] || {
        echo "not allowed by the unit: $output"
        return 1
    }
}

# Sets of system calls become what is in them, as deep as it takes.
expand_calls() {
    local line
    while read -r line; do
        case $line in
        @*) systemd-analyze syscall-filter "$line" | sed -n 's/^    \([@a-z].*\)/\1/p' | expand_calls ;;
        *) echo "$line" ;;
        esac
    done
}

# The words of -o that are the program's own, as its summary has them.
own_words() {
    "$SHMFS" -h | sed -n '/^Options/,$s/^  \([a-z_,= |A-Z]*\)  .*/\1/p' | tr ', ' '\n\n' |
        sed -n 's/^\([a-z_]*\).*/\1/p' | sort -u | sed '/^$/d'
}

@test "each shell completes every option that the summary has" {
    [ "$(own_words | wc -l)" -gt 15 ]
    for file in bash-completion/completions/shmfs fish/vendor_completions.d/shmfs.fish \
        zsh/site-functions/_shmfs; do
        for word in $(own_words); do
            grep -qw "$word" "$SHARE/$file" || {
                echo "$word is not in $file"
                return 1
            }
        done
    done
}

# complete_bash LINE: what bash offers at its end.
complete_bash() {
    # shellcheck disable=SC2016 # for the inner shell
    bash --norc -c '. "$1"
        compopt() { :; }
        COMP_LINE=$2 COMP_POINT=${#2}
        _shmfs
        printf "%s\n" "${COMPREPLY[@]}"' complete "$SHARE/bash-completion/completions/shmfs" "$1"
}

@test "bash completes options, values, views, folders and mounts" {
    [ "$(complete_bash 'shmfs -o no_p')" = no_passthrough ]
    [ "$(complete_bash 'shmfs -o ro,no_su')" = ro,no_supervise ]
    [ "$(complete_bash 'shmfs sys')" = sysv ]
    [ "$(complete_bash 'shmfs --rel')" = --reload ]
    [ "$(complete_bash "shmfs posix $TEST_DIR/mn")" = "$MNT" ]
    mount_start
    [ "$(complete_bash 'shmfs --reload ')" = "$MNT" ]
    [ "$(complete_bash 'shmfs -o ro,mmap=ca')" = cached ]
}

@test "fish completes options, values, views and mounts" {
    complete_fish() {
        fish --no-config -c "source $SHARE/fish/vendor_completions.d/shmfs.fish; complete -C '$1'" | cut -f 1
    }
    [ "$(complete_fish 'shmfs -o no_p')" = no_passthrough ]
    [ "$(complete_fish 'shmfs -o ro,no_su')" = ro,no_supervise ]
    [ "$(complete_fish 'shmfs sys')" = sysv ]
    mount_start
    [ "$(complete_fish 'shmfs --reload ')" = "$MNT" ]
}

@test "zsh loads its completion" {
    # shellcheck disable=SC2016 # for the inner shell
    run zsh -f -c 'fpath=("$1" $fpath); autoload -Uz compinit && compinit -D -u && autoload +X _shmfs &&
        whence -w _shmfs && print $_comps[shmfs]' zsh "$SHARE/zsh/site-functions"
    expect 0 "_shmfs: function"
    [[ $output == *$'\n'_shmfs ]]
}

# complete_ctl WORD...: what bash offers for the last one, which may be "".
complete_ctl() {
    # shellcheck disable=SC2016 # for the inner shell
    bash --norc -c '. "$1"
        compopt() { :; }
        COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
        _shmfsctl
        printf "%s\n" "${COMPREPLY[@]}"' complete "$SHARE/bash-completion/completions/shmfsctl" shmfsctl "$@" |
        paste -s -d ' '
}

@test "bash completes shmfsctl's commands, options, columns and objects" {
    : >"$SHM/psm_one"
    [ "$(complete_ctl do)" = doctor ]
    [ "$(complete_ctl gc --m)" = --match ]
    [ "$(complete_ctl ls -o name,resi)" = name,resident ]
    [ "$(complete_ctl ls --sort = resi)" = resident ]
    [ "$(complete_ctl ls -k sysv,p)" = sysv,posix ]
    [ "$(complete_ctl who psm)" = psm_one ]
    [ "$(complete_ctl gc --match p)" = psm_one ]
    [ "$(complete_ctl metrics --output "$TEST_DIR/mn")" = "$MNT" ]
    [ "$(complete_ctl who "$TEST_DIR/mn")" = "$MNT" ]
}

@test "names of objects and mount points are only names to bash" {
    name='$(touch made)`touch made`;x'
    cd "$TEST_DIR"
    : >"$SHM/$name"
    mkdir -p "$TEST_DIR/$name"
    mount_at "$TEST_DIR/$name"
    [ "$(complete_ctl who '')" = "$(printf %q "$name")" ]
    [ "$(complete_bash 'shmfs --reload ')" = "$(printf %q "$TEST_DIR/$name")" ]
    [ ! -e made ]
    umount "$TEST_DIR/$name"
}

@test "fish completes shmfsctl's commands, options, columns and objects" {
    complete_fish() {
        fish --no-config -c "source $SHARE/fish/vendor_completions.d/shmfsctl.fish; complete -C '$1'" |
            cut -f 1 | paste -s -d ' '
    }
    : >"$SHM/psm_one"
    [ "$(complete_fish 'shmfsctl do')" = doctor ]
    [ "$(complete_fish 'shmfsctl gc --m')" = --match= ]
    [ "$(complete_fish 'shmfsctl ls -o name,resi')" = name,resident ]
    [ "$(complete_fish 'shmfsctl ls -k sysv,p')" = sysv,posix ]
    [ "$(complete_fish 'shmfsctl who psm')" = psm_one ]
    [[ "$(complete_fish "shmfsctl dump -o $TEST_DIR/mn")" = "$MNT"* ]]
}

# press TEXT: what an interactive zsh makes of that and the tab key.
press() {
    "$PYTHON" "$HERE/python/zsh.py" "$SHARE/zsh/site-functions" "$1"
}

@test "zsh completes shmfsctl's commands, options, columns and objects" {
    : >"$SHM/psm_one"
    [ "$(press 'shmfsctl doc')" = "shmfsctl doctor " ]
    [ "$(press 'shmfsctl gc --mat')" = "shmfsctl gc --match=" ]
    [ "$(press 'shmfsctl ls --sort resi')" = "shmfsctl ls --sort resident " ]
    [[ "$(press 'shmfsctl ls -o name,resi')" = "shmfsctl ls -o name,resident"* ]]
    [ "$(press 'shmfsctl who psm')" = "shmfsctl who psm_one " ]
}

@test "the manual pages have no mistakes, and know every option" {
    for page in man8/shmfs.8 man1/shmfsctl.1; do
        run man --warnings -E UTF-8 -l -Tutf8 "$SHARE/man/$page"
        [ "$status" = 0 ]
        ! grep -i 'warning\|error:' <<<"$output" || false
    done
    for word in $(own_words); do
        tr -d '\\' <"$SHARE/man/man8/shmfs.8" | grep -qw "$word" || {
            echo "$word is not in shmfs(8)"
            return 1
        }
    done
    for command in $(shmfsctl --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
        for word in $(shmfsctl "$command" --help | sed -n 's/^  \(-.,\)\? *\(--[a-z-]*\).*/\2/p'); do
            tr -d '\\' <"$SHARE/man/man1/shmfsctl.1" | grep -qe "$word" || missing+=" $command:$word"
        done
    done
    echo "not in shmfsctl(1): ${missing:=}"
    [ -z "$missing" ]
}
