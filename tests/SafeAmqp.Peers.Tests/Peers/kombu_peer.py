"""Kombu over py-amqp as a peer: publishes, gets, serves and calls as it is told to, line by line."""
import base64
import sys
import time

import kombu

import lines

PLAIN = ("content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to", "expiration",
         "message_id", "timestamp", "type", "user_id", "app_id", "cluster_id")

connection = kombu.Connection(sys.argv[1])
channel = connection.default_channel


def publish(asked, reply_to=None):
    given = dict(asked.get("properties", {}))
    headers = {name: lines.to_native(value) for name, value in asked.get("headers", {}).items()}
    if reply_to:
        given["reply_to"] = reply_to
    message = channel.prepare_message(base64.b64decode(asked["body"]), priority=given.pop("priority", None),
                                      content_type=given.pop("content_type", None),
                                      content_encoding=given.pop("content_encoding", None),
                                      headers=headers or None, properties=given)
    channel.basic_publish_confirm(message, exchange=asked["exchange"], routing_key=asked["key"])


def described(message):
    props = dict(message.properties)
    headers = props.pop("application_headers", None) or {}
    body = message.body
    return {
        "properties": {name: value for name, value in props.items() if name in PLAIN},
        "headers": {name: lines.from_native(value) for name, value in headers.items()},
        "body": base64.b64encode(body.encode() if isinstance(body, str) else bytes(body)).decode(),
    }


def take(queue):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        message = channel.basic_get(queue, no_ack=True)
        if message is not None:
            return message
        time.sleep(0.01)
    raise TimeoutError("no message")


def get(asked):
    return described(take(asked["queue"]))


def serve(asked):
    """Answers one request with its own body and headers."""
    message = take(asked["queue"])
    props = message.properties
    reply = channel.prepare_message(message.body, headers=lines.own(props.get("application_headers")),
                                    properties={"correlation_id": props.get("correlation_id")})
    channel.basic_publish_confirm(reply, exchange="", routing_key=props["reply_to"])
    return described(message)


def call(asked):
    with kombu.Connection(sys.argv[1]) as other:
        queue = kombu.Queue("", exclusive=True, auto_delete=True, channel=other.default_channel)
        queue.declare()
        publish(asked, reply_to=queue.name)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            message = other.default_channel.basic_get(queue.name, no_ack=True)
            if message is not None:
                return described(message)
            time.sleep(0.01)
    raise TimeoutError("no reply")


lines.run({"publish": publish, "get": get, "serve": serve, "call": call})
