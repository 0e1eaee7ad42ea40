#!/usr/bin/env python3
"""A correct sockopt-inspect in Python: a table of options, and a poll that waits for standard input
to hang up and never reads it. It keeps other sockets open meanwhile."""
import os
import re
import select
import socket
import struct
import sys

S, T = socket.SOL_SOCKET, socket.IPPROTO_TCP


class Switch:
    pattern = "[01]"

    def pack(text):
        return struct.pack("i", int(text))

    def unpack(raw):
        return int(any(raw))


class Size:
    pattern = "[0-9]+"
    pack = Switch.pack

    def unpack(raw):
        return struct.unpack("i", raw[:4])[0]


class Time:
    pattern = "[0-9]+"

    def pack(text):
        return struct.pack("qq", int(text) // 1000, int(text) % 1000 * 1000)

    def unpack(raw):
        seconds, micros = struct.unpack("qq", raw)
        return seconds * 1000 + micros // 1000


class Linger:
    pattern = "off|[0-9]+"

    def pack(text):
        return struct.pack("ii", *((0, 0) if text == "off" else (1, int(text))))

    def unpack(raw):
        on, seconds = struct.unpack("ii", raw[:8])
        return seconds if on else "off"


OPTIONS = {
    "SO_REUSEADDR": (S, socket.SO_REUSEADDR, Switch),
    "SO_BROADCAST": (S, socket.SO_BROADCAST, Switch),
    "SO_KEEPALIVE": (S, socket.SO_KEEPALIVE, Switch),
    "SO_RCVBUF": (S, socket.SO_RCVBUF, Size),
    "SO_SNDBUF": (S, socket.SO_SNDBUF, Size),
    "SO_RCVTIMEO": (S, socket.SO_RCVTIMEO, Time),
    "SO_LINGER": (S, socket.SO_LINGER, Linger),
    "TCP_NODELAY": (T, socket.TCP_NODELAY, Switch),
}


class Usage(Exception):
    pass


def parse(arguments):
    if not arguments or arguments[0] not in ("tcp", "udp"):
        raise Usage(f"not tcp or udp: {arguments[:1]}")
    kind, rest = arguments[0], arguments[1:]
    address = None
    if rest and "=" not in rest[0]:
        host, colon, port = rest[0].rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise Usage(f"no address: {rest[0]}")
        address, rest = (host.strip("[]"), int(port)), rest[1:]
    settings = []
    for argument in rest:
        name, _, value = argument.partition("=")
        level, number, shape = OPTIONS.get(name, (None, None, None))
        if level is None or (level == T and kind == "udp"):
            raise Usage(f"{argument}: no such option for {kind}: {name}")
        if not re.fullmatch(shape.pattern, value):
            raise Usage(f"{argument}: bad value for {name}")
        settings.append((level, number, shape.pack(value)))
    return kind, address, settings


def make(family, kind, settings):
    made = socket.socket(family, kind)
    for setting in settings:
        made.setsockopt(*setting)
    return made


def connected(address, kind, settings):
    problem = None
    for family, _, _, _, where in socket.getaddrinfo(*address, type=kind):
        made = make(family, kind, settings)
        try:
            made.connect(where)
            return made
        except OSError as error:
            made.close()
            problem = error
    raise OSError(f"connect to {address[0]}:{address[1]}: {problem}")


def shown(address):
    ip, port = address[:2]
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def main():
    try:
        name, address, settings = parse(sys.argv[1:])
    except Usage as error:
        print(error, file=sys.stderr)
        return 2
    kind = socket.SOCK_STREAM if name == "tcp" else socket.SOCK_DGRAM
    try:
        if address:
            made = connected(address, kind, settings)
        else:
            made = make(socket.AF_INET, kind, settings)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    pair = socket.socketpair()
    lines = [("family", made.family.name), ("type", made.type.name), ("fd", made.fileno())]
    lines.append(("local", shown(made.getsockname())))
    try:
        lines.append(("peer", shown(made.getpeername())))
    except OSError:
        lines.append(("peer", "none"))
    for option, (level, number, shape) in OPTIONS.items():
        if level == S or name == "tcp":
            lines.append((option, shape.unpack(made.getsockopt(level, number, 16))))
    sys.stdout.write("".join(f"{option}: {value}\n" for option, value in lines))
    sys.stdout.flush()
    ends = select.poll()
    ends.register(0, 0)
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in ends.poll()):
        pass
    made.close()
    for end in pair:
        end.close()
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
