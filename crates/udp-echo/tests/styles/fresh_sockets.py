#!/usr/bin/env python3
"""A correct udp-echo in Python: a new connected socket for each message."""
import select
import socket
import sys
import time


def parse(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    return [(family, where) for family, _, _, _, where in found]


def serve(address):
    family, where = parse(address)[0]
    server = socket.socket(family, socket.SOCK_DGRAM)
    try:
        server.bind(where)
    except OSError as error:
        raise OSError(f"bind {address}: {error}") from error
    ip, port = server.getsockname()[:2]
    print(f"listening on {f'[{ip}]' if ':' in ip else ip}:{port}", flush=True)
    while True:
        data, sender = server.recvfrom(65536)
        server.sendto(data, sender)


def ask(family, where, message):
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.connect(where)
        for _ in range(3):
            client.send(message)
            end = time.monotonic() + 0.5
            while (left := end - time.monotonic()) > 0:
                if select.select([client], [], [], left)[0] and client.recv(65536) == message:
                    return True
    return False


def converse(address, messages):
    candidates = parse(address)
    for message in messages:
        failure = f"no reply from {address} after 3 tries"
        for candidate in list(candidates):
            try:
                if ask(*candidate, message.encode()):
                    candidates = [candidate]
                    break
            except OSError as error:
                failure = f"{address}: {error}"
        else:
            raise OSError(failure)
        sys.stdout.buffer.write(message.encode() + b"\n")
        sys.stdout.buffer.flush()


def main():
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["server"] and len(arguments) == 2:
            serve(arguments[1])
        elif arguments[:1] == ["client"] and len(arguments) > 2:
            converse(arguments[1], arguments[2:])
        else:
            print(f"{arguments}? usage: udp-echo server ADDR | client ADDR MESSAGE...", file=sys.stderr)
            sys.exit(2)
    except (OSError, ValueError, OverflowError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


main()
