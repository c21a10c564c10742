"""A Celery application: with the word worker it runs tasks, otherwise it sends one and prints the answer.

celery_app.py URI QUEUE worker
celery_app.py URI QUEUE send NUMBER NUMBER
"""
import sys

import celery

app = celery.Celery("peers", broker=sys.argv[1], backend="rpc://")
app.conf.update(task_default_queue=sys.argv[2], task_create_missing_queues=True, worker_enable_remote_control=False,
                worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


@app.task(name="peers.add")
def add(left, right):
    return left + right


@app.task(name="peers.fail")
def fail(reason):
    raise ValueError(reason)


if sys.argv[3] == "worker":
    app.worker_main(["worker", "--pool=solo", "--loglevel=WARNING", "--without-gossip", "--without-mingle",
                     "--without-heartbeat"])
else:
    print(add.delay(int(sys.argv[4]), int(sys.argv[5])).get(timeout=30))
