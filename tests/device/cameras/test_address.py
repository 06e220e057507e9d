from __future__ import annotations

import pytest

from waste_edge.device.cameras import camera_source, media_source
from waste_edge.device.cameras.address import without_password
from waste_edge.errors import CameraError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:SECRET@cam:554/live", "rtsp://cam:554/live"),
        ("RTSP://user:SECRET@cam/live", "RTSP://cam/live"),
        ("rtsp://user:a/SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:12/SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:a#SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:a?SECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:S@ECRET@cam/live", "rtsp://cam/live"),
        ("rtsp://user:SECRET@[::1]:554/live", "rtsp://[::1]:554/live"),
        ("http://cam/v.cgi?user=admin&pwd=SECRET", "http://cam/v.cgi?…"),
        ("http://cam/v#SECRET?x", "http://cam/v#…"),
        ("http://cam/user=admin&password=SECRET&channel=1", "http://cam/user=…&password=…&channel=1"),
        ("rtsp://cam/1_password=SECRET_stream=0.sdp", "rtsp://cam/1_password=…"),
        ("http://cam/access_token=SECRET/live", "http://cam/access_token=…/live"),
        ("rtmps://user:SECRET@cam", "rtmps://cam"),
        ("rtsp:/user:SECRET@cam", "rtsp:/cam"),
        ("rtsp://user:SECRET/live", "rtsp://…"),
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://user:/SECRET?@cam/live", "rtsp://cam/live"),
        ("rtsp://user:1/SECRET?@cam/live", "rtsp://…"),
        ("rtsp://user:1/@SECRET?@cam/live", "rtsp://…"),
        ("http://cam/v?mail=a@b", "http://cam/v?…"),
        ("films/a@b.mp4", "films/a@b.mp4"),
    ],
)
def test_what_may_be_secret_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "given", ["ftp://u:SECRET@h/x", "rtsp:u:SECRET@h", "rtsp:/u:SECRET@h", "rtsp://u:SECRET@h/\r\n"]
)
def test_an_address_that_cannot_be_used_is_told_without_its_password(clock, given: str) -> None:
    for find in (media_source, camera_source):
        with pytest.raises(CameraError) as caught:
            find(given, clock)
        assert "SECRET" not in str(caught.value)
