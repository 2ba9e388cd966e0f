# Counts what a test program's TAP output says: prints "passed failed skipped JOB" on one line, and
# the names of what failed or was skipped on the lines after. Given -v job=JOB, its name, and -v
# status=N, the program's exit status: a program that failed without saying where counts as one
# failure, and a test that was planned and never ran as another.
function name_of(line) {
    sub(/^(not )?ok *[0-9]* *(- *)?/, "", line)
    sub(/ *# *(SKIP|skip|TODO).*/, "", line)
    sub(/ in [0-9]+ ?ms$/, "", line) # bats --timing
    return line
}

/^1\.\.[0-9]+/ { planned = substr($1, 4) + 0; has_plan = 1 }
/^ok / {
    reported++
    if ($0 ~ /# *(SKIP|skip)/) { skipped++; skips[skipped] = name_of($0) } else passed++
}
# Of the runner itself: beside the plan.
/^not ok - / { failures[++failed] = name_of($0); next }
/^not ok / { reported++; failures[++failed] = name_of($0) }
/^Bail out!/ { bailed = $0 }

END {
    missing = has_plan ? planned - reported : 0
    # A GLib test that fails an assertion ends its program: that test itself is among the missing.
    for (i = 0; i < missing; i++)
        failures[++failed] = (i == 0 && bailed != "") ? bailed : "a planned test that never ran"
    if (!has_plan) failures[++failed] = "no test was planned (exit status " status ")"
    else if (status != 0 && failed == 0) failures[++failed] = "exit status " status
    print passed + 0, failed + 0, skipped + 0, job
    for (i = 1; i <= failed; i++) print "FAILED " job ": " failures[i]
    for (i = 1; i <= skipped; i++) print "SKIPPED " job ": " skips[i]
}
