"""https on loopback: who vouches for the servers."""

import ssl

import trustme


class Authority:
    """A certificate authority for servers on loopback."""

    def __init__(self) -> None:
        self._authority = trustme.CA()

    @property
    def pem(self) -> bytes:
        """The certificate to trust, for SSL_CERT_FILE and AWS_CA_BUNDLE in a function's environment."""
        return self._authority.cert_pem.bytes()

    def context(self) -> ssl.SSLContext:
        """Return what a server needs to speak https."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context
