# Runs one RabbitMQ node and its epmd for the process that holds the other end of standard input. When that end closes,
# for whatever reason (SIGKILL included), the node, the epmd and the folder go; the logs are kept in a folder that
# SAFEAMQP_NODE_LOGS names. Verbs come in by line; each is answered by one line once it is done.
#
# sh -c <this> guard <folder> <rabbitmq-server> <epmd, or nothing> <port of epmd> <setsid, or nothing> <words that run
# another program where these two are, or nothing>
folder=$1 server=$2 epmd=$3 epmd_port=$4 session=$5
shift 5

# A Ctrl-C or a closed pipe must not end the guard before its charges.
trap '' HUP INT TERM PIPE
cd "$folder" || exit 1
exec 2>>log/guard

# A node beside another uses that one's epmd.
epmd_pid=
if [ -n "$epmd" ]; then
    "$@" "$epmd" -port "$epmd_port" -address 127.0.0.1 </dev/null >log/epmd 2>&1 &
    epmd_pid=$!
fi

# The subshell stays to note the end of the node; the node itself keeps the pid it wrote, through every exec.
start() {
    [ ! -e beam.pid ] || [ -e beam.exit ] || return 0
    rm -f beam.pid beam.exit
    (
        $session sh -c 'echo $$ >beam.new && mv beam.new beam.pid && exec "$@"' start "$@" "$server" \
            </dev/null >>log/stdout 2>&1
        echo $? >beam.exit
    ) </dev/null >/dev/null 2>&1 &
    until [ -e beam.pid ] || [ -e beam.exit ]; do sleep 0.02; done
}

# To the process group where the node leads one, else to the node alone.
send() {
    [ -e beam.pid ] && [ ! -e beam.exit ] || return 0
    pid=$(cat beam.pid)
    kill -s "$1" -- "-$pid" || kill -s "$1" "$pid" || true
}

slay() {
    send KILL
    [ ! -e beam.pid ] || until [ -e beam.exit ]; do sleep 0.02; done
}

while read -r verb; do
    case $verb in
        start) start "$@" ;;
        terminate) send TERM ;;
        kill) slay ;;
        pause) send STOP ;;
        resume) send CONT ;;
    esac
    echo "$verb" || true
done

slay
[ -z "$epmd_pid" ] || kill -s KILL "$epmd_pid"
wait
# What a node said is needed when the test that had it has failed, which is known later.
[ -z "$SAFEAMQP_NODE_LOGS" ] || cp -R log "$SAFEAMQP_NODE_LOGS/${folder##*/}"
cd / && rm -rf "$folder"
