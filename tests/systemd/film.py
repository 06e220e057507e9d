"""A network camera that plays the demo's film for ever, MJPEG over HTTP: `film.py PORT`, by the station's Python."""

from __future__ import annotations

import http.server
import sys
import time
from importlib.resources import files

import cv2

BOUNDARY = "frame"


class Film(http.server.BaseHTTPRequestHandler):
    """One viewer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.end_headers()
        path = str(files("waste_edge") / "demo/clip.mp4")
        due = time.monotonic()
        while True:
            film = cv2.VideoCapture(path)
            pause_s = 1 / film.get(cv2.CAP_PROP_FPS)
            while True:
                there, frame = film.read()
                if not there:
                    break
                _, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
                due += pause_s
                time.sleep(max(0.0, due - time.monotonic()))

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Film).serve_forever()
