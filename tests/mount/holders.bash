# shellcheck shell=bash
# What the tests with holders of shared memory add to shell.bash: processes that map or open it until the
# test ends them. "load holders" after "load shell"; a teardown() of the test's own begins with release.

HOLDERS=()
READY=$TEST_DIR/holders/ready

teardown() {
    release
    shell_teardown
}

# Ends the holders. Each is waited for by its id: bats has children of its own.
release() {
    local pid
    for pid in "${HOLDERS[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    HOLDERS=()
}

# start_holder COMMAND...: a program that runs hold.py with READY as its first argument, in the background; $! is
# it. Returns when everything is held.
start_holder() {
    install -d -m 777 "${READY%/*}" # also for another user's
    rm -f "$READY"
    "$@" </dev/null >"$TEST_DIR/holder" 2>&1 3>&- 4>&- &
    HOLDERS+=($!)
    wait_until 20 test -e "$READY" || {
        cat "$TEST_DIR/holder"
        return 1
    }
}

# hold WHAT:OBJECT...: a process of our own that holds these.
hold() {
    start_holder "$PYTHON" "$HERE/python/hold.py" "$READY" "$@"
}
