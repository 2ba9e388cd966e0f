#!/usr/bin/env bats
# Whole programs that keep their files in the mount: a compiler, version control, a database.

load shell

setup() {
    mkdir -p "$MNT"
    mount_start
}

write_program() {
    cat >"$1/answer.c" <<-'END'
	int answer(void) { return 42; }
	END
    cat >"$1/main.c" <<-'END'
	#include <stdio.h>
	int answer(void);
	int main(void) { return printf("the answer is %d\n", answer()) < 0; }
	END
}

@test "gcc compiles and links in the mount, and what it made runs" {
    write_program "$MNT"
    cd "$MNT"
    TMPDIR=$MNT gcc -g -O2 -c main.c
    TMPDIR=$MNT gcc -g -O2 -c answer.c
    TMPDIR=$MNT gcc -o program main.o answer.o
    cd /
    [ "$("$MNT/program")" = "the answer is 42" ]
    [ "$("$SHM/program")" = "the answer is 42" ]
    [ "$(cd "$MNT" && echo *)" = "answer.c answer.o main.c main.o program" ]
}

@test "a shared library in the mount is loaded, mapped and executed" {
    write_program "$MNT"
    gcc -shared -fPIC -o "$MNT/libanswer.so" "$MNT/answer.c"
    gcc -o "$MNT/program" "$MNT/main.c" -L"$MNT" -lanswer -Wl,-rpath,"$MNT"
    run "$MNT/program"
    expect 0 "the answer is 42"
}

@test "ar, ld, strip and objcopy rewrite files in place" {
    write_program "$MNT"
    cd "$MNT"
    gcc -g -c main.c answer.c
    ar rcs libanswer.a answer.o
    gcc -o program main.o libanswer.a
    strip program
    objcopy --add-section .note.test=main.c program
    cd /
    [ "$("$MNT/program")" = "the answer is 42" ]
}

@test "a running program cannot be overwritten through the mount, but replaced" {
    cp /bin/sleep "$MNT/program"
    "$MNT/program" 100 3>&- &
    running=$!
    wait_until 5 test "$(readlink /proc/$running/exe)" = "$MNT/program" || true
    run dd if=/dev/zero of="$MNT/program" count=1 conv=notrunc
    expect 1 "Text file busy"
    cp --remove-destination /bin/true "$MNT/program"
    "$MNT/program"
    kill $running
}

@test "a script in the mount runs by its interpreter line, and as a second user" {
    # shellcheck disable=SC2016
    printf '#!/bin/sh\necho "run by $(id -u)"\n' >"$SHM/script"
    chmod 755 "$SHM/script"
    [ "$("$MNT/script")" = "run by 0" ]
    [ "$(run_as "$NOBODY" "$MNT/script")" = "run by 65534" ]
    chmod 700 "$SHM/script"
    run run_as "$NOBODY" "$MNT/script"
    [ "$status" != 0 ]
    [[ $output == *"Permission denied"* ]]
}

git_in() {
    git -c user.name=Tester -c user.email=tester@example.org -c init.defaultBranch=main \
        -c safe.directory='*' -C "$@"
}

@test "git keeps a repository in the mount: init, commit, branch, merge, gc, fsck" {
    mkdir "$MNT/repo"
    git_in "$MNT/repo" init -q
    for number in {1..20}; do
        seq "$number" $((number * 50)) >"$MNT/repo/file$((number % 5))"
        git_in "$MNT/repo" add .
        git_in "$MNT/repo" commit -q -m "commit $number"
    done
    git_in "$MNT/repo" checkout -q -b other HEAD~10
    echo more >"$MNT/repo/more"
    git_in "$MNT/repo" add more
    git_in "$MNT/repo" commit -q -m more
    git_in "$MNT/repo" merge -q -m merged main
    git_in "$MNT/repo" gc -q --prune=now --aggressive
    git_in "$MNT/repo" fsck --full --strict
    [ -z "$(git_in "$MNT/repo" status --porcelain)" ]
    [ -z "$(git_in "$SHM/repo" status --porcelain)" ]
    [ "$(git_in "$MNT/repo" rev-list --count HEAD)" = 22 ]
}

@test "git clones into the mount, out of it, and within it by hard links" {
    mkdir "$TEST_DIR/origin"
    git_in "$TEST_DIR/origin" init -q
    seq 1000 >"$TEST_DIR/origin/file"
    git_in "$TEST_DIR/origin" add .
    git_in "$TEST_DIR/origin" commit -q -m one
    git_in / clone -q "$TEST_DIR/origin" "$MNT/in"
    git_in / clone -q --local "$MNT/in" "$MNT/within"
    git_in / clone -q --no-hardlinks "$MNT/within" "$TEST_DIR/out"
    cmp "$TEST_DIR/out/file" "$SHM/within/file"
    git_in "$MNT/within" fsck --full
}

sqlite() {
    timeout 60 sqlite3 -cmd '.timeout 30000' "$@"
}

@test "sqlite3 with a rollback journal serves two writing programs" {
    sqlite "$MNT/base" 'CREATE TABLE rows (writer TEXT, number INTEGER)'
    timeout 100 "$PYTHON" "$HERE/python/rows.py" "$MNT/base" one 150 3>&- &
    timeout 100 "$PYTHON" "$HERE/python/rows.py" "$MNT/base" two 150
    wait $!
    [ "$(sqlite "$MNT/base" 'SELECT count(*) FROM rows; PRAGMA integrity_check')" = $'300\nok' ]
    [ "$(sqlite "$SHM/base" 'SELECT count(DISTINCT number) FROM rows')" = 150 ]
    [ "$(ls -A "$SHM")" = base ]
}

@test "sqlite3 in WAL mode serves two writing programs, or says that there is no shared memory" {
    run sqlite "$MNT/base" 'PRAGMA journal_mode=WAL;
        CREATE TABLE rows (writer TEXT, number INTEGER)'
    if without_passthrough; then
        # WAL's index is a shared mapping, which is refused rather than made of other memory.
        [ "$status" != 0 ]
        [[ $output == *"disk I/O error"* ]]
        return
    fi
    expect 0 wal
    timeout 100 "$PYTHON" "$HERE/python/rows.py" "$MNT/base" one 200 3>&- &
    timeout 100 "$PYTHON" "$HERE/python/rows.py" "$MNT/base" two 200
    wait $!
    [ "$(sqlite "$MNT/base" 'SELECT count(*) FROM rows; PRAGMA integrity_check')" = $'400\nok' ]
    sqlite "$MNT/base" 'PRAGMA wal_checkpoint(TRUNCATE); VACUUM'
    [ "$(sqlite "$SHM/base" 'SELECT count(DISTINCT number) FROM rows')" = 200 ]
    [ "$(ls -A "$SHM")" = base ]
}

@test "sqlite3 in WAL mode with exclusive locking needs no shared mapping" {
    run sqlite "$MNT/base" 'PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;
        CREATE TABLE rows (n); INSERT INTO rows VALUES (1), (2); SELECT sum(n) FROM rows'
    expect 0 $'wal\n3'
}

@test "sqlite3 recovers a database whose writer was killed" {
    sqlite "$MNT/base" 'CREATE TABLE rows (writer TEXT, number INTEGER)'
    timeout 100 "$PYTHON" "$HERE/python/rows.py" "$MNT/base" killed 1000000 3>&- &
    writer=$!
    wait_until 20 test -s "$MNT/base-journal"
    kill -KILL "$(pgrep -P $writer || echo $writer)"
    wait $writer || true
    [ "$(sqlite "$MNT/base" 'PRAGMA integrity_check')" = ok ]
    sqlite "$MNT/base" "INSERT INTO rows VALUES ('after', 1)"
    [ ! -s "$MNT/base-journal" ]
}
