"""Outside judges in Python: its own HTTP library, and h11. Called by outside.rs with what to do, the address of the
reference's server, the reference itself, and the folder that is served."""
import functools
import http.client
import http.server
import pathlib
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

WHAT, ADDRESS, PROGRAM, SITE = sys.argv[1:]
HOST, PORT = ADDRESS.rsplit(":", 1)
DATA = pathlib.Path(SITE, "data.bin").read_bytes()


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {str(got)[:200]}, not {str(wanted)[:200]}")


def library():
    count = persistent() + by_urllib() + own_client()
    print(f"{count} answers as they should be")


def persistent():
    """One connection for all, which http.client would open again if the server closed it: so its socket is compared."""
    connection = http.client.HTTPConnection(HOST, int(PORT), timeout=20)
    connection.connect()
    first = connection.sock
    rows = [
        ("GET", "/data.bin", {}, 200, DATA),
        ("HEAD", "/data.bin", {}, 200, b""),
        ("GET", "/nothing", {}, 404, None),
        ("HEAD", "/nothing", {}, 404, b""),
        ("GET", "/data.bin", {"Range": "bytes=-7"}, 206, DATA[-7:]),
        ("GET", "/data.bin", {"Range": "bytes=900000-"}, 416, None),
        ("GET", "/data.bin", {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304, b""),
        ("POST", "/data.bin", {}, 405, None),
        ("GET", "/", {}, 200, b"<p>the first page"),
    ]
    for method, target, headers, status, wanted in rows:
        body = b"some body" if method == "POST" else None
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        expect(f"status of {method} {target}", answer.status, status)
        expect(f"connection after {method} {target}", connection.sock is first, True)
        if wanted is not None:
            expect(f"body of {method} {target}", content, wanted)
    return len(rows)


def by_urllib():
    with urllib.request.urlopen(f"http://{ADDRESS}/two%20words.txt", timeout=20) as answer:
        expect("urllib", answer.read(), b"two words")
        expect("its type", answer.headers.get_content_type(), "text/plain")
    try:
        urllib.request.urlopen(f"http://{ADDRESS}/nothing", timeout=20)
    except urllib.error.HTTPError as error:
        expect("urllib's error", error.code, 404)
    else:
        sys.exit("urllib takes what is not there for there")
    return 2


def own_client():
    """The reference's `get` against http.server, in both of its versions."""
    count = 0
    for version in ("HTTP/1.0", "HTTP/1.1"):
        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = version

            def log_message(self, *_):
                pass

        handler = functools.partial(Handler, directory=SITE)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_address[1]}"
            rows = [("/data.bin", 0, DATA), ("/two%20words.txt", 0, b"two words"), ("/nothing", 1, None)]
            for target, status, wanted in rows:
                done = subprocess.run([PROGRAM, "get", url + target], capture_output=True, timeout=20)
                expect(f"exit status of get {target}", done.returncode, status)
                if wanted is not None:
                    expect(f"output of get {target}", done.stdout, wanted)
                count += 1
            server.shutdown()
    return count


def by_h11():
    import h11

    date = ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")
    rows = [
        ("GET", "/", [], 200), ("GET", "/data.bin", [], 200), ("HEAD", "/data.bin", [], 200),
        ("GET", "/data.bin", [("Range", "bytes=0-99")], 206), ("GET", "/data.bin", [("Range", "bytes=900000-")], 416),
        ("GET", "/data.bin", [date], 304), ("GET", "/nothing", [], 404), ("HEAD", "/nothing", [], 404),
        ("DELETE", "/", [], 405), ("FETCH", "/", [], 501), ("GET", "/..", [], 400),
    ]
    client, connection = None, None
    for method, target, headers, status in rows:
        if client is None:
            client, connection = socket.create_connection((HOST, int(PORT)), 20), h11.Connection(h11.CLIENT)
        fields = [("Host", ADDRESS), *headers]
        client.sendall(connection.send(h11.Request(method=method, target=target, headers=fields)))
        client.sendall(connection.send(h11.EndOfMessage()) or b"")
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                connection.receive_data(client.recv(65536))
            elif isinstance(event, h11.Response):
                expect(f"status of {method} {target}", event.status_code, status)
            elif not isinstance(event, h11.Data):
                sys.exit(f"{method} {target}: {event}")
        if connection.their_state is h11.MUST_CLOSE or connection.our_state is h11.MUST_CLOSE:
            client.close()
            client = None
        else:
            connection.start_next_cycle()
    print(f"{len(rows)} answers as they should be")


by_h11() if WHAT == "h11" else library()
