# Sourced by .ci/run, eng/nightly and eng/flaky, in the root of the repository: runs test projects, keeps what a
# failure needs, counts.

artifacts=artifacts
# The others say why they are run by hand.
by_machine='Runs!=ByHand'
# A test project that hangs is ended, with all that it started.
suite_limit=30m
# What report has counted.
passed=0
failed=0

# Where everything about one suite goes: its output, the results and the logs of the brokers that it started.
folder_of() {
    echo "$artifacts/suites/$1"
}

dll_of() {
    echo "$1/bin/Release/net10.0/${1##*/}.dll"
}

limited() {
    if command -v timeout >/dev/null; then timeout --kill-after=30s "$suite_limit" "$@"; else "$@"; fi
}

# Ends what the script has started, and what that has started. A suite is in a process group of its own, which neither
# Ctrl-C nor a signal to the script reaches.
end_all() {
    local all children
    children=$(pgrep -P $$) || true
    # They stand still first, so that none begins another suite between the look and the end.
    # shellcheck disable=SC2086 # one word for each process, here and below
    kill -s STOP $children 2>/dev/null || true
    all=$(descendants $$)
    # shellcheck disable=SC2086
    kill $all 2>/dev/null || true
    # shellcheck disable=SC2086
    kill -s CONT $children 2>/dev/null || true
}

descendants() {
    local child
    for child in $(pgrep -P "$1"); do
        descendants "$child"
        echo "$child"
    done
}

# run_suite NAME PROJECT FILTER [VARIABLE=VALUE...]: runs the tests of a project that is built. Leaves a line
# "passed failed skipped seconds processor-seconds broker" in the file result of the suite's folder; without it the
# suite did not end.
run_suite() {
    local name=$1 project=$2 filter=$3 folder logs begin=$SECONDS status=0
    shift 3
    folder=$(folder_of "$name")
    rm -rf "$folder"
    mkdir -p "$folder"
    # Brokers that run in a folder of their own see the temporary files, and not this one.
    logs=$(mktemp -d)
    {
        TIMEFORMAT='%0U %0S'
        time {
            # In the background, as bash hears of Ctrl-C only while it waits.
            limited env "$@" SAFEAMQP_NODE_LOGS="$logs" SAFEAMQP_TEST_ARTIFACTS="$PWD/$folder" \
                dotnet test "$(dll_of "$project")" --filter "$filter" --results-directory "$folder" \
                --logger 'trx;LogFileName=results.trx' --logger 'console;verbosity=normal' \
                >"$folder/output.log" 2>&1 &
            wait $! || status=$?
        }
    } 2>"$folder/processor"
    mv "$logs" "$folder/brokers"

    local passed failed skipped processor broker trx=$folder/results.trx
    passed=$(counter passed "$trx")
    failed=$(($(counter failed "$trx") + $(counter error "$trx") +
        $(counter timeout "$trx") + $(counter aborted "$trx")))
    skipped=$(($(counter total "$trx") - $(counter executed "$trx")))
    # A run that crashed, or had nothing to run, has failed.
    if [ "$failed" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$((passed + skipped))" -eq 0 ]; }; then failed=1; fi
    # Of what the suite started and saw end; not of the brokers that run on by themselves.
    processor=$(awk '{ print $1 + $2 }' "$folder/processor")
    broker=$(brokers_of "$folder" "$@")
    echo "$passed $failed $skipped $((SECONDS - begin)) $processor $broker" >"$folder/result"
    # In one go, as another lane may print at the same time.
    echo "$name: $passed passed, $failed failed, $skipped skipped in $((SECONDS - begin)) s on $broker$(
        if [ "$failed" -ne 0 ]; then
            echo
            failed_tests "$trx" | sed 's/^/    failed: /'
            failure_messages "$trx" | sed 's/^/        /'
            if [ -z "$(failed_tests "$trx")" ]; then failure_outside "$folder/output.log" | sed 's/^/    /'; fi
            echo "    kept: $folder (output.log, results.trx, brokers/);" \
                "the run had SAFEAMQP_TEST_SEED=${SAFEAMQP_TEST_SEED:-1} $*"
        fi
    )"
    if [ "$failed" -eq 0 ]; then rm -rf "$folder/brokers"; fi
}

# The number in one attribute of the summary line of a result file; 0 where there is none.
counter() {
    local value
    value=$(grep -o '<Counters [^>]*>' "$2" 2>/dev/null | grep -o " $1=\"[0-9]*\"" | grep -o '[0-9]*' |
        head -n 1) || true
    echo "${value:-0}"
}

# The names of the tests in a result file that failed.
failed_tests() {
    { grep -o '<UnitTestResult [^>]*>' "$1" 2>/dev/null || true; } | { grep ' outcome="Failed"' || true; } |
        sed -e 's/.* testName="\([^"]*\)".*/\1/' -e 's/&quot;/"/g' -e "s/&apos;/'/g" \
            -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&amp;/\&/g'
}

# What the tests in a result file failed with, as much as fits a log.
failure_messages() {
    { awk '/<ErrorInfo>/ { failed = 1 } failed && /<Message>/ { inside = 1 } inside
        /<\/Message>/ { inside = 0 } /<\/ErrorInfo>/ { failed = 0 }' "$1" 2>/dev/null || true; } |
        sed -e 's/<[/]\{0,1\}Message>//g' -e 's/^ *//' -e 's/&#xD;//g' \
            -e 's/&quot;/"/g' -e "s/&apos;/'/g" -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&amp;/\&/g' |
        cut -c 1-300 | head -n 40
}

# What went wrong outside of tests: in what tests share, or in the run itself.
failure_outside() {
    { sed -n '/Cleanup Failure/,/Finished:/p' "$1"; tail -n 20 "$1"; } | cut -c 1-300 | head -n 60
}

# The brokers that a suite ran on, by what they themselves wrote into their logs.
brokers_of() {
    local folder=$1 found
    shift
    found=$({ grep -rhoaE 'Starting RabbitMQ [0-9.]+ on Erlang [0-9.]+' "$folder/brokers" || true; } |
        sort -u | sed 's/Starting //' | paste -sd, | sed 's/,/, /g')
    if [[ " SAFEAMQP_TEST_BROKER=${SAFEAMQP_TEST_BROKER:-} $* " == *" SAFEAMQP_TEST_BROKER=embedded "* ]]; then
        found=${found:+$found, }embedded
    fi
    echo "${found:-no broker of its own}"
}

# The folders of the test projects in the solution.
test_projects() {
    local project
    dotnet sln "$1" list | tr '\\' '/' | grep '\.csproj$' | while IFS= read -r project; do
        if grep -q 'Include="Microsoft.NET.Test.Sdk"' "$project"; then echo "${project%/*}"; fi
    done
}

# report NAME...: a line for each suite, and the sums in passed and failed. A suite without a result crashed or was not
# run, and counts as failed.
report() {
    local suite good bad skipped seconds processor broker
    printf '%-42s %6s %6s %7s %7s %8s  %s\n' suite s 'cpu s' passed failed skipped broker
    for suite in "$@"; do
        if [ -s "$(folder_of "$suite")/result" ]; then
            read -r good bad skipped seconds processor broker <"$(folder_of "$suite")/result"
        else
            read -r good bad skipped seconds processor broker <<<"0 1 0 0 0 no result"
        fi
        passed=$((passed + good))
        failed=$((failed + bad))
        printf '%-42s %6d %6d %7d %7d %8d  %s\n' "$suite" "$seconds" "$processor" "$good" "$bad" "$skipped" "$broker"
    done
}
