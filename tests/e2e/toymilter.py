"""toymilter.py - the least possible milter with a delay: what the stack before tarsier did.

It answers every command "continue" and sleeps before it answers RCPT. It shows that the lab is a fair one: Postfix
really delivers a blind client's mail, and really times out, where nobody watches. Each packet is noted in `seen`, so it also
serves as a child that shows what really was on the wire, which libmilter does not.
"""

import os
import socket
import struct
import threading
import time

WANTS_REPLY = b"CHMRTNEBUL"  # the commands that are answered when no step was negotiated away


class ToyMilter:
    def __init__(self, path, rcpt_delay_sec=0.0, rcpt_reply=b"c"):
        self.rcpt_delay_sec = rcpt_delay_sec
        self.rcpt_reply = rcpt_reply
        self.wish()
        self.seen = []  # (monotonic time, command letter, body)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(100)
        threading.Thread(target=self._accept, daemon=True).start()

    def wish(self, actions=0, steps=0, symlists=()):
        """What it negotiates from now on. symlists: (stage, names)."""
        self.answer = b"O" + struct.pack(">III", 6, actions, steps)
        self.answer += b"".join(struct.pack(">I", stage) + names.encode() + b"\0" for stage, names in symlists)

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        def take(count):
            data = b""
            while len(data) < count:
                more = connection.recv(count - len(data))
                if not more:
                    raise EOFError
                data += more
            return data

        try:
            while True:
                packet = take(struct.unpack(">I", take(4))[0])
                command, body = packet[:1], packet[1:]
                self.seen.append((time.monotonic(), command.decode(), body))
                if command == b"O":
                    self._send(connection, self.answer)
                elif command == b"Q":
                    return
                elif command == b"R":
                    time.sleep(self.rcpt_delay_sec)
                    self._send(connection, self.rcpt_reply)
                elif command in WANTS_REPLY:
                    self._send(connection, b"c")
        except (EOFError, OSError):
            pass
        finally:
            connection.close()

    @staticmethod
    def _send(connection, payload):
        connection.sendall(struct.pack(">I", len(payload)) + payload)
