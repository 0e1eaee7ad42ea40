#!/usr/bin/env python3
"""A correct file-transfer in one thread: generators as conversations, driven by one selector."""
import os
import re
import secrets
import selectors
import socket
import stat
import sys
import time

PIECE = 128 * 1024
USAGE = "usage: file-transfer serve ADDR DIR | put ADDR FILE [NAME] | get ADDR NAME [DEST] | list ADDR"


class Refused(Exception):
    """What is told to the client."""


class Complaint(Exception):
    """What is told to whoever runs the program."""


def addresses(text):
    match = re.fullmatch(r"\[?([^\[\]]+?)\]?:([0-9]+)", text)
    if not match or int(match[2]) > 65535:
        raise Complaint(f"{text}: not HOST:PORT")
    try:
        found = socket.getaddrinfo(match[1], int(match[2]), type=socket.SOCK_STREAM)
    except OSError as error:
        raise Complaint(f"resolve {text}: {error}") from error
    return [(family, where) for family, _, _, _, where in found]


def good_name(name):
    size = len(name.encode())
    control = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name)
    if not 1 <= size <= 255 or name.startswith(".") or "/" in name or control:
        raise Refused("that is no name for a file")


def regular(path):
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise Refused("that is no regular file")


class Part:
    """A file that is not complete; a context that removes it unless it was kept."""

    def __init__(self, target):
        self.target = target
        folder = os.path.dirname(target) or "."
        self.path = os.path.join(folder, ".part-" + secrets.token_hex(8))
        self.file = None

    def __enter__(self):
        self.file = open(self.path, "xb", buffering=0)
        return self

    def write(self, data):
        view = memoryview(data)
        while view:
            view = view[self.file.write(view):]

    def keep(self):
        self.file.close()
        os.replace(self.path, self.target)

    def __exit__(self, *_):
        self.file.close()
        if os.path.lexists(self.path):
            os.unlink(self.path)


# A conversation yields what it waits for: ("read", n) for up to n bytes, ("line",), ("write", data).

def conversation(folder):
    try:
        line = yield ("line",)
        if line is None:
            return
        verb, _, rest = line.partition(" ")
        if line == "LIST":
            yield from listing(folder)
        elif verb == "GET":
            yield from get(folder, rest)
        elif verb == "PUT":
            yield from put(folder, rest)
        else:
            raise Refused("nobody here knows that request")
    except Refused as reason:
        yield ("write", f"ERR {reason}\n".encode())
    except OSError as error:
        yield ("write", f"ERR {error.strerror or 'it failed'}\n".encode())


def listing(folder):
    lines = []
    for name in os.listdir(os.fsencode(folder)):
        try:
            good_name(name.decode())
            found = os.lstat(os.path.join(os.fsencode(folder), name))
        except (UnicodeDecodeError, Refused, FileNotFoundError):
            continue
        if stat.S_ISREG(found.st_mode):
            lines.append((name, found.st_size))
    lines.sort()
    text = b"OK %d\n" % len(lines) + b"".join(b"%d %s\n" % (size, name) for name, size in lines)
    yield ("write", text)


def get(folder, name):
    good_name(name)
    path = os.path.join(folder, name)
    regular(path)
    with open(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size
        yield ("write", b"OK %d\n" % left)
        while left:
            data = file.read(min(left, PIECE))
            if not data:
                return
            left -= len(data)
            yield ("write", data)


def put(folder, rest):
    size, _, name = rest.partition(" ")
    if not re.fullmatch("[0-9]+", size) or int(size) >= 1 << 64:
        raise Refused("that is no size")
    good_name(name)
    path = os.path.join(folder, name)
    if os.path.lexists(path):
        regular(path)
    left = int(size)
    with Part(path) as part:
        yield ("write", b"OK\n")
        while left:
            data = yield ("read", min(left, PIECE))
            if not data:
                raise Refused("the file is not whole")
            part.write(data)
            left -= len(data)
        part.keep()
    yield ("write", b"OK\n")


class Client:
    """One connection and its conversation."""

    def __init__(self, connection, folder, selector):
        connection.setblocking(False)
        self.connection, self.selector = connection, selector
        self.talk = conversation(folder)
        self.inbox, self.outbox, self.ended, self.drains = b"", b"", False, None
        self.wants = next(self.talk)
        selector.register(connection, selectors.EVENT_READ, self)

    def ready(self, mask):
        try:
            if mask & selectors.EVENT_READ:
                self.receive()
            if mask & selectors.EVENT_WRITE and self.outbox:
                self.outbox = self.outbox[self.connection.send(self.outbox):]
            self.advance()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def receive(self):
        data = self.connection.recv(PIECE)
        if self.drains is not None:
            if not data:
                self.close()
            return
        self.inbox += data
        self.ended = self.ended or not data

    def advance(self):
        while self.wants is not None and not self.outbox and self.answerable():
            try:
                self.step()
            except StopIteration:
                self.wants = None
        if self.drains is None and self.wants is None and not self.outbox:
            self.connection.shutdown(socket.SHUT_WR)
            self.drains = time.monotonic() + 3
            if self.ended:
                self.close()
        self.interest()

    def answerable(self):
        if self.wants[0] == "write":
            return True
        if self.wants[0] == "line":
            return b"\n" in self.inbox or len(self.inbox) > 4096 or self.ended
        return bool(self.inbox) or self.ended

    def step(self):
        if self.wants[0] == "write":
            self.outbox = self.wants[1]
            self.wants = self.talk.send(None)
        elif self.wants[0] == "line":
            line, newline, rest = self.inbox.partition(b"\n")
            if not self.inbox:
                self.wants = self.talk.send(None)
            elif not newline or len(line) > 4095:
                self.wants = self.talk.throw(Refused("that line does not end in time"))
            else:
                self.inbox = rest
                try:
                    text = line.decode()
                except UnicodeDecodeError:
                    self.wants = self.talk.throw(Refused("that line is no UTF-8"))
                else:
                    self.wants = self.talk.send(text)
        else:
            count = self.wants[1]
            data, self.inbox = self.inbox[:count], self.inbox[count:]
            self.wants = self.talk.send(data)

    def interest(self):
        if self.connection.fileno() < 0:
            return
        mask = 0
        if self.drains is not None or (not self.ended and len(self.inbox) < PIECE):
            mask |= selectors.EVENT_READ
        if self.outbox:
            mask |= selectors.EVENT_WRITE
        # A client that has finished sending would be reported as readable for ever.
        if mask:
            self.selector.modify(self.connection, mask, self)
        else:
            self.selector.modify(self.connection, selectors.EVENT_WRITE, self)

    def close(self):
        if self.connection.fileno() >= 0:
            self.selector.unregister(self.connection)
            self.connection.close()
        self.talk.close()


def serve(address, folder):
    os.listdir(folder)
    listener, failure = None, None
    for family, where in addresses(address):
        try:
            listener = socket.create_server(where[:2], family=family, backlog=100)
            break
        except OSError as error:
            failure = Complaint(f"listen on {address}: {error}")
    if listener is None:
        raise failure
    listener.setblocking(False)
    host, port = listener.getsockname()[:2]
    print(f"listening on [{host}]:{port}" if ":" in host else f"listening on {host}:{port}", flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ, None)
    while True:
        clients = [key.data for key in selector.get_map().values() if key.data]
        drains = [client for client in clients if client.drains is not None]
        for client in drains:
            if client.drains < time.monotonic():
                client.close()
        for key, mask in selector.select(1 if drains else None):
            if key.data is not None:
                key.data.ready(mask)
                continue
            try:
                Client(listener.accept()[0], folder, selector)
            except OSError:
                pass


def connect(address):
    failure = None
    for family, where in addresses(address):
        try:
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.connect(where)
            return connection
        except OSError as error:
            failure = Complaint(f"connect to {address}: {error}")
    raise failure


def answer(reader, address):
    line = reader.readline(4096)
    if not line.endswith(b"\n"):
        raise Complaint(f"{address} closed without an answer")
    word, _, rest = line[:-1].decode().partition(" ")
    if word == "ERR":
        raise Complaint(f"{address} refused: {rest}")
    if word != "OK":
        raise Complaint(f"{address} answered neither OK nor ERR")
    return rest


class Progress:
    def __init__(self, total):
        self.total, self.done, self.shown = total, 0, sys.stderr.isatty()

    def add(self, count):
        before = self.done * 100 // max(self.total, 1)
        self.done += count
        after = self.done * 100 // max(self.total, 1)
        if self.shown and (after != before or self.done == self.total):
            print(f"\r{after} %", end="", file=sys.stderr, flush=True)

    def end(self):
        if self.shown:
            print(file=sys.stderr)


def client_put(address, path, name=None):
    name = name if name is not None else os.path.basename(path)
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        with connect(address) as connection, connection.makefile("rb") as reader:
            connection.sendall(f"PUT {size} {name}\n".encode())
            answer(reader, address)
            progress, left = Progress(size), size
            try:
                while left and (data := file.read(min(left, PIECE))):
                    connection.sendall(data)
                    left -= len(data)
                    progress.add(len(data))
            except OSError as error:
                progress.end()
                answer(reader, address)
                raise Complaint(f"send {path} to {address}: {error}") from error
            progress.end()
            if left:
                raise Complaint(f"send {path} to {address}: it shrinks")
            answer(reader, address)
    print(f"{size} bytes")


def client_get(address, name, target=None):
    with connect(address) as connection, connection.makefile("rb", buffering=PIECE) as reader:
        connection.sendall(f"GET {name}\n".encode())
        size = int(answer(reader, address))
        progress, left = Progress(size), size
        with Part(target if target is not None else name) as part:
            while left:
                data = reader.read1(min(left, PIECE))
                if not data:
                    raise Complaint(f"get {name} from {address}: cut short, {left} bytes are missing")
                part.write(data)
                left -= len(data)
                progress.add(len(data))
            progress.end()
            part.keep()
    print(f"{size} bytes")


def client_list(address):
    with connect(address) as connection, connection.makefile("rb") as reader:
        connection.sendall(b"LIST\n")
        for _ in range(int(answer(reader, address))):
            line = reader.readline(5000)
            if not line.endswith(b"\n"):
                raise Complaint(f"list {address}: cut short")
            sys.stdout.buffer.write(line)
    sys.stdout.flush()


def main(arguments):
    roles = {"serve": (serve, 2, 2), "put": (client_put, 2, 3), "get": (client_get, 2, 3),
             "list": (client_list, 1, 1)}
    role, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if role not in roles or not roles[role][1] <= len(rest) <= roles[role][2]:
        print(f"wrong arguments: {' '.join(arguments)}; {USAGE}", file=sys.stderr)
        return 2
    try:
        roles[role][0](*rest)
    except Complaint as complaint:
        print(complaint, file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"{role} {' '.join(rest)}: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
