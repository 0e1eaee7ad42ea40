#!/usr/bin/env python3
"""A correct sticky-packet in Python: whole buffers are split, nothing is decoded byte by byte."""
import re
import socket
import struct
import sys
import time

PIECE = 65536
MOST = 1 << 20
SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", '"': '\\"', "\\": "\\\\"}
SPECIAL = re.compile("[\n\r\t\0\"\\\\]")
ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


class Broken(Exception):
    pass


def parse(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def line_for(text):
    return 'message "' + SPECIAL.sub(lambda found: SHORT[found[0]], text) + '"\n'


def text_of(message):
    if len(message) > MOST:
        raise Broken("too long")
    try:
        return message.decode()
    except UnicodeDecodeError as error:
        raise Broken("not UTF-8") from error


def unescape(frame):
    def plain(found):
        if found[1] == b"n":
            return b"\n"
        if found[1] == b"\\":
            return b"\\"
        raise Broken(f"an escape of {found[1]!r}")

    if b"\\" in frame:
        if re.search(rb"(?<!\\)(\\\\)*\\\Z", frame):
            raise Broken("a backslash before the delimiter")
        frame = ESCAPE.sub(plain, frame)
    return frame


def delimited(held, out):
    *frames, held = held.split(b"\n")
    for frame in frames:
        out.append(line_for(text_of(unescape(frame))))
    if len(held) > 2 * MOST:
        raise Broken("too long, however it is escaped")
    return held


def counted(held, out):
    at = 0
    while len(held) >= at + 4:
        (length,) = struct.unpack_from(">I", held, at)
        if length > MOST:
            raise Broken(f"{length} bytes announced")
        if len(held) < at + 4 + length:
            break
        out.append(line_for(text_of(held[at + 4 : at + 4 + length])))
        at += 4 + length
    return held[at:]


def unframed(held, out):
    if held:
        out.append(line_for(held.decode(errors="replace")))
    return b""


TAKE = {"none": unframed, "delay": unframed, "delimiter": delimited, "length": counted}


def say(lines):
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


def converse(sender, take):
    held = b""
    while True:
        try:
            piece = sender.recv(PIECE)
        except OSError:
            piece = b""
        if not piece:
            return say(["truncated\n" if held else "closed\n"])
        lines = []
        try:
            held = take(held + piece, lines)
        except Broken as error:
            lines.append(f"rejected: {error}\n")
            return say(lines)
        say(lines)


def receive(address, framing):
    host, port = parse(address)
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(where)
        listener.listen()
    except OSError as error:
        raise OSError(f"bind {address}: {error}") from error
    ip, port = listener.getsockname()[:2]
    say([f"listening on {f'[{ip}]' if ':' in ip else ip}:{port}\n"])
    while True:
        try:
            sender, _ = listener.accept()
        except OSError:
            continue
        with sender:
            converse(sender, TAKE[framing])


def send(address, framing, messages):
    host, port = parse(address)
    failure = OSError("no address")
    for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        receiver = socket.socket(family, kind, protocol)
        try:
            receiver.connect(where)
            break
        except OSError as error:
            receiver.close()
            failure = error
    else:
        raise OSError(f"connect to {address}: {failure}")
    for number, message in enumerate(messages):
        data = message.encode()
        if framing == "delay" and number:
            time.sleep(0.1)
        if framing == "delimiter":
            data = data.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") + b"\n"
        if framing == "length":
            receiver.sendall(struct.pack(">I", len(data)))
        receiver.sendall(data)
    receiver.close()


def main():
    arguments = sys.argv[1:]
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        match arguments:
            case ["send", address, framing, _, *_] if framing in TAKE:
                send(address, framing, arguments[3:])
            case ["receive", address, framing] if framing in TAKE:
                receive(address, framing)
            case _:
                print(f"wrong usage: {arguments}", file=sys.stderr)
                sys.exit(2)
    except (OSError, ValueError, OverflowError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)


main()
