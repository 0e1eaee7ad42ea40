#!/usr/bin/env python3
"""A correct broadcast in Python: the ipaddress module, blocking sockets, Rust's escapes by hand."""
import ipaddress
import socket
import sys


class Usage(Exception):
    pass


def parse(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    return [(family, where) for family, _, _, _, where in found]


def address(cidr):
    host, slash, length = cidr.partition("/")
    try:
        if not slash or not length.isascii() or not length.isdigit():
            raise ValueError("no length")
        network = ipaddress.IPv4Network((host, int(length)), strict=False)
    except ValueError as error:
        raise Usage(f"bad CIDR {cidr}: {error}") from error
    print(network.broadcast_address)


def shown(ip, port):
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def debug(data):
    escapes = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", '"': '\\"', "\\": "\\\\"}
    text = data.decode("utf-8", "replace")
    return '"' + "".join(escapes.get(letter, letter) for letter in text) + '"'


def listen(where):
    family, place = parse(where)[0]
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        receiver.bind(place)
    except OSError as error:
        raise OSError(f"bind {where}: {error}") from error
    print(f"listening on {shown(*receiver.getsockname()[:2])}", flush=True)
    while True:
        data, sender = receiver.recvfrom(65536)
        print(f"from {shown(*sender[:2])} {debug(data)}", flush=True)


def send(where, messages):
    family, place = parse(where)[0]
    sender = socket.socket(family, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    try:
        for message in messages:
            sender.sendto(message.encode(), place)
    except OSError as error:
        raise OSError(f"send to {where}: {error}") from error


def main():
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["address"] and len(arguments) == 2:
            address(arguments[1])
        elif arguments[:1] == ["listen"] and len(arguments) == 2:
            listen(arguments[1])
        elif arguments[:1] == ["send"] and len(arguments) > 2:
            send(arguments[1], arguments[2:])
        else:
            raise Usage(f"{arguments}? usage: broadcast address CIDR | listen ADDR | send ADDR MESSAGE...")
    except Usage as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except (OSError, ValueError, OverflowError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


main()
