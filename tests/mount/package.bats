#!/usr/bin/env bats
# The Debian package: it can be built, lintian finds no error, and what it installs is gone when it is.
# variants: default

load shell

# Builds the package once, for all tests.
setup_file() {
    SOURCES=$(cd "$HERE/../.." && pwd)
    "$SOURCES/scripts/package" >"$TEST_WORK/package" 2>&1 || {
        cat "$TEST_WORK/package"
        return 1
    }
    DEB=$(tail -n 1 "$TEST_WORK/package")
    export DEB SOURCES
}

setup() {
    mkdir -p "$MNT"
    ROOT=$TEST_DIR/root
    mkdir -p "$ROOT"/var/lib/dpkg/{info,updates,triggers}
    touch "$ROOT"/var/lib/dpkg/{status,available}
}

# dpkg on a system of its own, without what the package depends on.
in_root() {
    dpkg --root="$ROOT" --log="$TEST_DIR/log" --force-depends "$@" >"$TEST_DIR/dpkg" 2>&1 || {
        cat "$TEST_DIR/dpkg"
        return 1
    }
}

# What is there beside dpkg's own records.
files() {
    find "$ROOT" -path "$ROOT/var/lib/dpkg" -prune -o ! -type d -printf '%P\n'
}

@test "files are where they belong" {
    in_root --install "$DEB"
    unit=$(files | grep 'systemd/system/shmfs@.service$')
    grep -q '^ExecStart=/usr/bin/shmfs ' "$ROOT/$unit"
    for file in usr/bin/shmfs usr/bin/shmfsctl usr/share/man/man1/shmfsctl.1.gz \
        usr/share/bash-completion/completions/shmfsctl usr/share/zsh/vendor-completions/_shmfsctl \
        usr/share/fish/vendor_completions.d/shmfsctl.fish usr/share/bash-completion/completions/shmfs \
        usr/share/zsh/vendor-completions/_shmfs usr/share/fish/vendor_completions.d/shmfs.fish \
        usr/share/man/man8/shmfs.8.gz usr/share/doc/shmfs/copyright \
        usr/share/doc/shmfs/changelog.gz usr/share/doc/shmfs/examples/fstab; do
        [ -f "$ROOT/$file" ] || {
            echo "$file is not there"
            files
            return 1
        }
    done
    for type in shmfs fuse.shmfs; do
        [ "$(readlink "$ROOT/usr/sbin/mount.$type")" = ../bin/shmfs ]
        [ -e "$ROOT/usr/share/man/man8/mount.$type.8.gz" ]
    done
    # Nothing of libfuse's, which is inside the program.
    ! files | grep -i 'fuse3\|/include/\|\.a$\|\.pc$' || false
}

@test "the packaged program has the package's version, and serves" {
    in_root --install "$DEB"
    version=$(dpkg --root="$ROOT" --status shmfs | sed -n 's/^Version: //p')
    [ "$("$ROOT/usr/bin/shmfs" -V | head -n 1)" = "shmfs $version" ]
    timeout 30 "$ROOT/usr/sbin/mount.shmfs" posix "$MNT" -o rw </dev/null 3>&- 4>&-
    echo text >"$MNT/file"
    [ "$(cat "$SHM/file")" = text ]
    [ "$("$ROOT/usr/bin/shmfsctl" --version)" = "shmfsctl $version" ]
    [ "$("$ROOT/usr/bin/shmfsctl" ls --no-headings -o name)" = file ]
    mount_stop
}

@test "the maintainer is named as Debian's tools name one" {
    [[ "$(dpkg-deb --field "$DEB" Maintainer)" == *" <"*"@"*">" ]]
    ! dpkg-deb --field "$DEB" | grep -i 'example\|localhost' || false
    # lintian has nothing to say of it, not even a warning.
    ! grep -i 'maintainer\|mail' "$TEST_WORK/package" || false
}

@test "an installed package that is installed again is the same" {
    in_root --install "$DEB"
    files | sort >"$TEST_DIR/before"
    in_root --install "$DEB"
    diff "$TEST_DIR/before" <(files | sort)
}

@test "nothing is left after it was removed and purged" {
    in_root --install "$DEB"
    in_root --remove shmfs
    in_root --purge shmfs || true # nothing to do: it has no configuration files
    [ -z "$(files)" ]
    [ -z "$(find "$ROOT" -mindepth 1 -type d ! -path "$ROOT/var*")" ]
    ! grep -q 'shmfs' "$ROOT/var/lib/dpkg/status" || false
    [ -z "$(find "$ROOT/var/lib/dpkg/info" -name 'shmfs*')" ]
}
