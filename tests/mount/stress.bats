#!/usr/bin/env bats
# The file system stressors of stress-ng: what runs without failure on tmpfs does on the mount.
#
# variants: default

load shell

setup() {
    mkdir -p "$MNT"
    mount_start
}

# stress FOLDER NAME OPERATIONS: by $PROCESSES (two) processes; stops early when it is slow.
stress() {
    mkdir -p "$1/stress"
    timeout -k 5 60 stress-ng --temp-path "$1/stress" --"$2" "${PROCESSES:-2}" --"$2"-ops "$3" --timeout 2 \
        --oomable >"$TEST_DIR/said" 2>&1 3>&-
}

# stressed OPERATIONS NAME...: each one on tmpfs, then on the mount; the outcome has to be the same.
stressed() {
    local name native mounted failed=0
    for name in "${@:2}"; do
        native=0 mounted=0
        stress "$SHM" "$name" "$1" || native=$?
        stress "$MNT" "$name" "$1" || mounted=$?
        if [ $native != $mounted ]; then
            echo "$name ended with $mounted on the mount, $native on tmpfs:"
            cat "$TEST_DIR/said"
            failed=1
        fi
    done
    [ -z "$(ls -A "$SHM/stress")" ] || failed=1
    return $failed
}

@test "stress-ng on names: dentry dir dirdeep dirmany filename link mknod rename symlink" {
    stressed 100 dentry dir dirdeep dirmany filename link mknod rename symlink
}

@test "stress-ng on attributes: access chmod chown fstat inode-flags touch utime xattr" {
    stressed 100 access chmod chown fstat touch utime
    stressed 20 xattr inode-flags
}

@test "stress-ng on folders: chdir getdent open handle inotify" {
    stressed 50 chdir getdent open handle inotify
}

@test "stress-ng on data: copy-file hdd iomix revio seek sendfile sync-file readahead" {
    stressed 50 copy-file hdd iomix revio seek sendfile sync-file readahead
}

@test "stress-ng on sizes: fallocate fpunch fsize fiemap" {
    stressed 20 fallocate fpunch fsize fiemap
}

@test "stress-ng on locks: flock locka lockf lockofd lease" {
    stressed 100 flock locka lockf lockofd lease
}

@test "stress-ng on descriptors: dup fcntl file-ioctl io" {
    stressed 50 dup file-ioctl io
    # Two processes of it (stress-ng 0.15) use one folder, and the first to end removes it under the other.
    PROCESSES=1 stressed 50 fcntl
}
