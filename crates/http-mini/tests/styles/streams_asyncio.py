#!/usr/bin/env python3
"""A correct http-mini in Python: the server one event loop, the client a file object on a socket."""
import asyncio
import email.utils
import os
import re
import socket
import sys
import urllib.parse

TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript",
    ".json": "application/json", ".txt": "text/plain", ".png": "image/png", ".jpg": "image/jpeg",
    ".svg": "image/svg+xml", ".ico": "image/vnd.microsoft.icon", ".wasm": "application/wasm",
}
REASONS = {
    200: "OK", 206: "Partial Content", 301: "Moved Permanently", 304: "Not Modified",
    400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable",
    431: "Request Header Fields Too Large", 501: "Not Implemented", 505: "HTTP Version Not Supported",
}
LIMIT = 16 << 10
TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~-]+)(:[0-9]*)?")


class Refusal(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


def address_of(text):
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


class Conversation:
    def __init__(self, root, reader, writer):
        self.root, self.reader, self.writer = root, reader, writer
        self.version, self.method, self.keep = b"1.1", b"", False

    async def run(self):
        try:
            await self.requests()
        except Refusal as refusal:
            self.keep = False
            await self.error(refusal.status)
            await self.linger()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writer.close()

    async def requests(self):
        while True:
            self.method, self.left = b"", LIMIT
            line, self.begun = b"", False
            while not line:
                line = await self.line()
                if line is None:
                    return
            fields, target = await self.parse(line)
            length = int(fields.get(b"content-length", b"0"))
            if length > 256 << 10:
                self.keep = False
            else:
                await asyncio.wait_for(self.reader.readexactly(length), 30)
            await self.answer(fields, target)
            await self.writer.drain()
            if not self.keep:
                return await self.linger()

    async def line(self):
        """A line of the head; None at the end of the connection between two requests."""
        line = b""
        while not line.endswith(b"\n"):
            try:
                piece = await asyncio.wait_for(self.reader.read(1), 5.2)
            except asyncio.TimeoutError:
                if self.begun:
                    raise Refusal(408) from None
                return None
            if not piece:
                if self.begun:
                    raise Refusal(400)
                return None
            self.begun = self.begun or piece not in b"\r\n"
            line += piece
            self.left -= 1
            if self.left <= 0:
                raise Refusal(431)
        return line.rstrip(b"\r\n")

    async def parse(self, line):
        found = re.fullmatch(rb"([^ ]+) ([^ ]+) HTTP/([0-9])\.([0-9])", line)
        if not found or not TOKEN.fullmatch(found[1]):
            raise Refusal(400)
        self.method, target = found[1], found[2]
        if found[3] != b"1":
            raise Refusal(505)
        fields = {}
        while line := await self.line():
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.fullmatch(name):
                raise Refusal(400)
            name, value = name.lower(), value.strip(b" \t")
            if name == b"host" and name in fields:
                raise Refusal(400)
            if name == b"content-length" and fields.get(name, value) != value:
                raise Refusal(400)
            fields[name] = value
        if line is None:
            raise Refusal(400)
        host = fields.get(b"host")
        if (host is None and found[4] != b"0") or (host is not None and not HOST.fullmatch(host)):
            raise Refusal(400)
        if b"transfer-encoding" in fields:
            raise Refusal(501)
        if not re.fullmatch(rb"[0-9]{1,18}", fields.get(b"content-length", b"0")):
            raise Refusal(400)
        words = [word.strip().lower() for word in fields.get(b"connection", b"").split(b",")]
        self.keep = found[4] != b"0" and b"close" not in words
        return fields, target

    async def answer(self, fields, target):
        if self.method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"):
            return await self.error(405, [("Allow", "GET, HEAD")])
        if self.method not in (b"GET", b"HEAD"):
            return await self.error(501)
        target = re.sub(rb"^http://[^/?]*", b"", target).partition(b"?")[0] or b"/"
        if re.search(rb"%(?![0-9A-Fa-f]{2})", target) or not target.startswith(b"/"):
            return await self.error(400)
        names = urllib.parse.unquote_to_bytes(target)
        if b"\0" in names or b".." in names.split(b"/"):
            return await self.error(400)
        path = os.path.join(self.root, names.strip(b"/"))
        if os.path.isdir(path) and not names.endswith(b"/"):
            return await self.error(301, [("Location", target.decode("latin-1") + "/")])
        if names.endswith(b"/"):
            path = os.path.join(path, b"index.html")
        real = os.path.realpath(path)
        if os.path.commonpath([real, self.root]) != self.root or not os.path.isfile(real):
            return await self.error(404)
        extension = os.path.splitext(os.path.basename(path))[1].decode("latin-1")
        with open(real, "rb") as file:
            await self.file(fields, file, TYPES.get(extension, "application/octet-stream"))

    async def file(self, fields, file, kind):
        status = os.fstat(file.fileno())
        size, more = status.st_size, [("Last-Modified", email.utils.formatdate(int(status.st_mtime), usegmt=True))]
        try:
            since = email.utils.parsedate_to_datetime(fields[b"if-modified-since"].decode("latin-1"))
            if int(status.st_mtime) <= since.timestamp():
                return self.head(304, more)
        except (KeyError, ValueError, TypeError, IndexError):
            pass
        first, last, code = 0, size - 1, 200
        found = re.fullmatch(rb"bytes=([0-9]*)-([0-9]*)", fields.get(b"range", b""))
        if found and (found[1] or found[2]):
            code = 206
            if not found[1]:
                first = max(0, size - int(found[2]))
            else:
                first, last = int(found[1]), min(int(found[2] or last), last)
            if first >= size:
                return await self.error(416, [("Content-Range", f"bytes */{size}")])
            more.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        self.head(code, more + [("Content-Type", kind), ("Content-Length", last - first + 1)])
        file.seek(first)
        left = last - first + 1 if self.method != b"HEAD" else 0
        while left > 0 and (piece := file.read(min(left, 65536))):
            self.writer.write(piece)
            await self.writer.drain()
            left -= len(piece)

    async def error(self, status, more=()):
        body = f"{status} {REASONS[status]}\n".encode()
        self.head(status, [("Content-Type", "text/plain"), ("Content-Length", len(body)), *more])
        if self.method != b"HEAD":
            self.writer.write(body)
        await self.writer.drain()

    def head(self, status, fields):
        fields = [("Date", email.utils.formatdate(usegmt=True)), *fields]
        fields.append(("Connection", "keep-alive" if self.keep else "close"))
        lines = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{name}: {value}" for name, value in fields)]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def linger(self):
        """Finishes sending, and reads on for a while: a reset would take the answer back."""
        try:
            self.writer.write_eof()
            async with asyncio.timeout(1.5):
                while await self.reader.read(65536):
                    pass
        except (OSError, TimeoutError):
            pass


async def serve(address, folder):
    if not os.path.isdir(folder):
        raise OSError(f"serve {folder}: no folder")
    root = os.path.realpath(os.fsencode(folder))
    host, port = address_of(address)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(found[0], found[1])
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(found[4])
    except OSError as error:
        raise OSError(f"bind {address}: {error}") from error
    server = await asyncio.start_server(
        lambda reader, writer: Conversation(root, reader, writer).run(), sock=listener, backlog=200)
    ip, port = listener.getsockname()[:2]
    print(f"listening on {f'[{ip}]' if ':' in ip else ip}:{port}", flush=True)
    async with server:
        await server.serve_forever()


def get(url):
    for _ in range(6):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url}: not an http URL with a host")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            server = socket.create_connection((parts.hostname, parts.port or 80))
        except OSError as error:
            raise OSError(f"connect to {parts.netloc}: {error}") from error
        with server, server.makefile("rb") as stream:
            lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "", ""]
            server.sendall("\r\n".join(lines).encode())
            status, line, fields = 100, "", {}
            while status < 200:
                status, line, fields = read_head(stream)
            if status in (301, 302, 303, 307, 308) and "location" in fields:
                url = urllib.parse.urljoin(url, fields["location"])
                continue
            for piece in body(stream, status, fields):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            if status >= 400:
                raise OSError(f"{url}: {line}")
            return
    raise OSError(f"{url}: too many redirects")


def read_head(stream):
    line = stream.readline(65536).decode("latin-1").rstrip("\r\n")
    found = re.fullmatch(r"HTTP/1\.[0-9] ([0-9]{3})( .*)?", line)
    if not found:
        raise OSError(f"not HTTP: {line[:60]!r}")
    fields = {}
    while (field := stream.readline(65536)) not in (b"\r\n", b"\n"):
        if not field.endswith(b"\n"):
            raise OSError("the header is cut short")
        name, _, value = field.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    return int(found[1]), line, fields


def body(stream, status, fields):
    if status in (204, 304):
        return
    if "transfer-encoding" in fields:
        while size := int(stream.readline().partition(b";")[0], 16):
            yield exactly(stream, size)
            if stream.readline() != b"\r\n":
                raise OSError("a chunk is cut short")
        while stream.readline() not in (b"\r\n", b""):
            pass
    elif "content-length" in fields:
        yield exactly(stream, int(fields["content-length"]))
    else:
        yield stream.read()


def exactly(stream, size):
    piece = stream.read(size)
    if len(piece) < size:
        sys.stdout.buffer.write(piece)
        raise OSError(f"the body is cut short: {len(piece)} of {size} bytes")
    return piece


def main():
    try:
        match sys.argv[1:]:
            case ["serve", address, folder]:
                asyncio.run(serve(address, folder))
            case ["get", url]:
                get(url)
            case _:
                print("usage: http-mini serve ADDR DIR | get URL", file=sys.stderr)
                sys.exit(2)
    except (OSError, ValueError, OverflowError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)


main()
