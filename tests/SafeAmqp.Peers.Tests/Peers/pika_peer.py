"""pika as a peer: publishes, gets, serves and calls as it is told to, line by line."""
import base64
import sys
import time

import pika

import lines

PLAIN = ("content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration",
         "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id")

parameters = pika.URLParameters(sys.argv[1])
# Between lines nothing would send heartbeats.
parameters.heartbeat = 0
connection = pika.BlockingConnection(parameters)
channel = connection.channel()


def properties(asked):
    given = {name: value for name, value in asked.get("properties", {}).items() if name in PLAIN}
    if "headers" in asked:
        given["headers"] = {name: lines.to_native(value) for name, value in asked["headers"].items()}
    return pika.BasicProperties(**given)


def message(props, body):
    return {
        "properties": {name: getattr(props, name) for name in PLAIN if getattr(props, name) is not None},
        "headers": {name: lines.from_native(value) for name, value in (props.headers or {}).items()},
        "body": base64.b64encode(body).decode(),
    }


def publish(asked):
    with pika.BlockingConnection(parameters) as other:
        confirmed = other.channel()
        confirmed.confirm_delivery()
        confirmed.basic_publish(asked["exchange"], asked["key"], base64.b64decode(asked["body"]), properties(asked),
                                mandatory=True)


def get(asked):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        method, props, body = channel.basic_get(asked["queue"], auto_ack=True)
        if method:
            return message(props, body)
        connection.sleep(0.01)
    raise TimeoutError("no message")


def serve(asked):
    """Answers one request with its own body and headers."""
    method, props, body = next(channel.consume(asked["queue"], inactivity_timeout=20))
    channel.basic_publish("", props.reply_to, body, pika.BasicProperties(
        correlation_id=props.correlation_id, headers=lines.own(props.headers), content_type=props.content_type))
    channel.basic_ack(method.delivery_tag)
    channel.cancel()
    return message(props, body)


def call(asked):
    """Over direct reply-to, as pika's users do."""
    answers = []
    def answered(_channel, _method, props, body):
        answers.append(message(props, body))

    tag = channel.basic_consume("amq.rabbitmq.reply-to", answered, auto_ack=True)
    props = properties(asked)
    props.reply_to = "amq.rabbitmq.reply-to"
    channel.basic_publish("", asked["key"], base64.b64decode(asked["body"]), props)
    until = time.monotonic() + 20
    while not answers and time.monotonic() < until:
        connection.process_data_events(0.1)
    channel.basic_cancel(tag)
    return answers[0]


lines.run({"publish": publish, "get": get, "serve": serve, "call": call})
