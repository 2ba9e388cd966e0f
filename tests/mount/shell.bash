# shellcheck shell=bash
# What the tests with shell tools add to common.bash: looking at both sides, and waiting.

bats_require_minimum_version 1.7.0
load common

# For a test file with a teardown() of its own, to call at its end: common.bash's.
eval "common_$(declare -f teardown)"

shell_teardown() {
    exec 7>&- # what a test that failed still held open
    common_teardown
}

teardown() {
    shell_teardown
}

# The distribution's interpreter: a user without rights must be able to run it as well.
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=$(command -v python3)
HERE=$BATS_TEST_DIRNAME
export PYTHON HERE PYTHONDONTWRITEBYTECODE=1

# without_passthrough: is a shared mapping to be refused in this variant?
without_passthrough() {
    [ "$SHMFS_VARIANT" = no-passthrough ]
}

# same_on_both COMMAND...: runs it in the mount and in the raw folder; both must print the same and
# end with the same status, which is returned.
same_on_both() {
    local mounted raw mounted_status=0 raw_status=0
    mounted=$(cd "$MNT" && "$@" 2>&1) || mounted_status=$?
    raw=$(cd "$SHM" && "$@" 2>&1) || raw_status=$?
    if [ "$mounted" != "$raw" ] || [ $mounted_status != $raw_status ]; then
        echo "differs: $* (status $mounted_status through the mount, $raw_status natively)"
        diff <(echo "$mounted") <(echo "$raw")
        return 99
    fi
    return $raw_status
}

# wait_until SECONDS COMMAND...: waits for it to succeed.
wait_until() {
    local deadline=$((SECONDS + $1 + 1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || {
            echo "did not become true: $*"
            return 1
        }
        sleep 0.02
    done
}

# expect STATUS TEXT: what `run` ended with, and a text that its output must have.
expect() {
    # shellcheck disable=SC2154 # both are set by run
    if [ "$status" != "$1" ] || [[ "$output" != *"$2"* ]]; then
        echo "expected status $1 and '$2'; there was status $status and: $output"
        return 1
    fi
}

blocks_of() {
    stat -c %b "$1"
}
