"""Programs that break a promise, or misbehave, in one known way each.

`programs.py WAY server ADDR` or `programs.py WAY client ADDR MESSAGE`; the functions below are
the ways.
"""

import os
import select
import signal
import socket
import struct
import sys
import threading
import time

WAY, *ARGUMENTS = sys.argv[1:]


def listener():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(64)
    return server


def say(*lines, end=b"\n"):
    for line in lines:
        os.write(1, line + end)


def ready_line(server, shift=0):
    return b"listening on 127.0.0.1:%d" % (server.getsockname()[1] + shift)


def ready():
    server = listener()
    say(ready_line(server))
    return server


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()


def serve(server):
    while True:
        echo(server.accept()[0])


def first_of(server):
    return server.accept()[0]


def connect():
    host, port = ARGUMENTS[1].rsplit(":", 1)
    return socket.create_connection((host, int(port)))


def converse(connection):
    connection.sendall(ARGUMENTS[2].encode())
    connection.shutdown(socket.SHUT_WR)
    while data := connection.recv(65536):
        os.write(1, data)


def daemon():
    """Gives the rest to a process in a session of its own, whose parents are gone."""
    if os.fork():
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    return True


# Servers that print.

def echoes():
    serve(ready())


def floods_stdout():
    server = ready()
    while True:
        os.write(1, b"accepted a connection from somewhere\n")


def floods_long_lines():
    while True:
        os.write(1, b"x" * 65536 + b"\n")


def floods_without_newline():
    while True:
        os.write(1, b"x" * 100)


def floods_stderr():
    server = ready()
    while True:
        os.write(2, b"nobody has connected yet\n" * 100)


def floods_after_answer():
    """The answer comes first; the flood shows only to those who still look."""
    server = ready()
    connection = first_of(server)
    connection.sendall(connection.recv(100))
    while True:
        os.write(1, b"what shall I do now?\n" * 100)


def closes_stdout():
    os.close(1)
    serve(listener())


def half_ready_line():
    server = listener()
    server.close()
    os.write(1, b"listening on 127.0.0.")
    signal.pause()


def half_ready_line_and_serves():
    server = listener()
    os.write(1, b"listening on 127.0.0.")
    serve(server)


def no_newline():
    server = listener()
    say(ready_line(server), end=b"")
    serve(server)


def wrong_port():
    server = listener()
    say(ready_line(server, shift=1 if server.getsockname()[1] < 65535 else -1))
    serve(server)


def two_ready_lines():
    server = listener()
    say(ready_line(server), ready_line(server))
    serve(server)


def long_line_first():
    server = listener()
    say(b"x" * 1_000_000, ready_line(server))
    serve(server)


def logs_before_it_listens():
    say(b"starting")
    time.sleep(0.2)
    serve(ready())


def not_utf8():
    server = listener()
    say(b"\xfe" + ready_line(server))
    serve(server)


# Servers that end.

def exits_0():
    sys.exit(0)


def exits_1():
    sys.stderr.write("bind 127.0.0.1:0: no luck today\n")
    sys.exit(1)


def lacks_a_system_call():
    sys.stderr.write("socket: Function not implemented (os error 38)\n")
    sys.exit(1)


def aborts():
    os.kill(os.getpid(), signal.SIGABRT)


def answers_then_crashes():
    server = ready()
    echo(first_of(server))
    os.kill(os.getpid(), signal.SIGSEGV)


# Servers that do not answer, or late.

def never_reads():
    server = ready()
    connection = first_of(server)
    signal.pause()


def never_answers():
    server = ready()
    connection = first_of(server)
    while connection.recv(65536):
        pass


def never_accepts():
    server = ready()
    signal.pause()


def answers_late():
    server = ready()
    connection = first_of(server)
    data = connection.recv(65536)
    time.sleep(0.3)
    connection.sendall(data)
    echo(connection)


def spins():
    server = ready()
    connection = first_of(server)
    while True:
        pass


def polls():
    """Nothing of it ever waits without a timeout."""
    server = ready()
    connection = first_of(server)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        select.select([], [], [], 0.05)
    echo(connection)


def deadlocks():
    server = ready()
    connection = first_of(server)
    one, other, both = threading.Lock(), threading.Lock(), threading.Barrier(2)

    def take(first, second):
        with first:
            both.wait()
            with second:
                echo(connection)

    threads = [threading.Thread(target=take, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Servers that answer otherwise.

def resets():
    server = ready()
    connection = first_of(server)
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    signal.pause()


def adds_bytes():
    server = ready()
    connection = first_of(server)
    connection.sendall(connection.recv(65536) + b"\0\0\0")
    echo(connection)
    serve(server)


def stays_open():
    server = ready()
    connection = first_of(server)
    while data := connection.recv(65536):
        connection.sendall(data)
    server.accept()


# Processes.

def starts_daemon():
    if daemon():
        time.sleep(600)
    else:
        serve(ready())


def becomes_daemon():
    server = ready()
    reader, writer = os.pipe()
    if daemon():
        os.close(writer)
        os.read(reader, 1)  # The end: the first process is gone.
        time.sleep(0.3)
        serve(server)


def ignores_sigterm():
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    serve(ready())


def forks():
    """A process for each connection, none of them waited for."""
    server = ready()
    while True:
        connection = first_of(server)
        if os.fork() == 0:
            server.close()
            echo(connection)
            os._exit(0)
        connection.close()


# Files.

def many_files():
    for number in range(10_000):
        os.close(os.open(f"file-{number}", os.O_CREAT | os.O_WRONLY))
    serve(ready())


def big_file():
    with open("big", "wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    serve(ready())


def locked_folders():
    os.makedirs("a/b/c")
    open("a/b/c/file", "w").close()
    for folder in ("a/b/c", "a/b", "a"):
        os.chmod(folder, 0o500 if folder == "a" else 0)
    serve(ready())


# Clients.

def sends():
    converse(connect())


def hangs_after_work():
    converse(connect())
    signal.pause()


def sleeps_after_work():
    converse(connect())
    while True:
        time.sleep(0.05)


def waits_for_stdin():
    os.read(0, 1)
    converse(connect())


def never_connects():
    signal.pause()


def connects_thousandfold():
    connection = connect()
    sockets = []
    try:
        for _ in range(3000):
            more = socket.socket()
            more.setblocking(False)
            more.connect_ex(connection.getpeername())
            sockets.append(more)
    except OSError:
        pass
    converse(connection)


globals()[WAY.replace("-", "_")]()
