"""The one thing of libcamera's bindings that is used."""


class ColorSpace:
    @staticmethod
    def Smpte170m():  # noqa: N802
        return "SMPTE170M"

    @staticmethod
    def Sycc():  # noqa: N802
        return "sYCC"


def Transform():  # noqa: N802
    return "identity"
