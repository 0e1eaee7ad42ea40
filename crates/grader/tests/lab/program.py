"""The program of tests/lab.rs: its first argument is its role."""
import socket
import sys
import time


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def serve(text):
    listener = socket.create_server(address(text))
    print("listening on %s:%d" % listener.getsockname(), flush=True)
    return listener


role, there, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
if role == "echo":
    stream, _ = serve(there).accept()
    while data := stream.recv(65536):
        stream.sendall(data)
    stream.close()
    time.sleep(3600)
elif role == "silent":
    stream, _ = serve(there).accept()
    while True:
        stream.recv(65536)
elif role == "client":
    stream = socket.create_connection(address(there))
    stream.sendall(rest[0].encode())
    print(stream.recv(100).decode(), flush=True)
elif role == "tell":
    stream = socket.create_connection(address(there))
    stream.sendall(rest[0].encode())
elif role == "datagrams":
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(int(rest[0])):
        datagrams.sendto(b"number %d" % number, address(there))
