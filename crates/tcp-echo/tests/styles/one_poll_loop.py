#!/usr/bin/env python3
"""A correct tcp-echo in Python: one thread, one selector, sockets that never block."""
import errno
import selectors
import socket
import sys
import time

PIECE = 65536


def parse(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def serve(address):
    host, port = parse(address)
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(where)
        listener.listen(100)
    except OSError as error:
        raise OSError(f"bind {address}: {error}") from error
    listener.setblocking(False)
    ip, port = listener.getsockname()[:2]
    print(f"listening on {f'[{ip}]' if ':' in ip else ip}:{port}", flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                accept(listener, selector)
            else:
                step(key.fileobj, key.data, selector)


def accept(listener, selector):
    try:
        client, _ = listener.accept()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            time.sleep(0.02)
        return
    client.setblocking(False)
    selector.register(client, selectors.EVENT_READ, {"held": b"", "ended": False})


def step(client, state, selector):
    try:
        if state["held"]:
            state["held"] = state["held"][client.send(state["held"]):]
        else:
            piece = client.recv(PIECE)
            state["ended"] = not piece
            state["held"] = piece
    except (BlockingIOError, InterruptedError):
        return
    except OSError:
        state["ended"], state["held"] = True, b""
    if state["ended"] and not state["held"]:
        selector.unregister(client)
        client.close()
        return
    selector.modify(client, selectors.EVENT_WRITE if state["held"] else selectors.EVENT_READ, state)


def connect(address):
    host, port = parse(address)
    failure = OSError("no address")
    for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.connect(where)
            return candidate
        except OSError as error:
            candidate.close()
            failure = error
    raise OSError(f"connect to {address}: {failure}")


def converse(address, message):
    server = connect(address)
    server.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ | selectors.EVENT_WRITE)
    held = message.encode() if message is not None else b""
    ended, sent, received = message is not None, 0, 0
    while True:
        for _, events in selector.select():
            if events & selectors.EVENT_READ:
                piece = server.recv(PIECE)
                if not piece:
                    if not ended or held or received < sent:
                        raise OSError(f"{address} closed after {received} bytes")
                    return
                received += len(piece)
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
            if events & selectors.EVENT_WRITE:
                if not held and not ended:
                    held = sys.stdin.buffer.read1(PIECE)
                    ended = not held
                if held:
                    count = server.send(held)
                    sent += count
                    held = held[count:]
                if ended and not held:
                    server.shutdown(socket.SHUT_WR)
                    selector.modify(server, selectors.EVENT_READ)


def main():
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["server"] and len(arguments) == 2:
            serve(arguments[1])
        elif arguments[:1] == ["client"] and len(arguments) in (2, 3):
            converse(arguments[1], arguments[2] if len(arguments) == 3 else None)
        else:
            usage()
    except (OSError, ValueError, OverflowError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


def usage():
    print(f"wrong arguments: {' '.join(sys.argv[1:])}", file=sys.stderr)
    print("usage: tcp-echo server ADDR | client ADDR [MESSAGE]", file=sys.stderr)
    sys.exit(2)


main()
