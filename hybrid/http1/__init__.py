"""HTTP/1.1 framing (RFC 9112): bytes in, requests out; responses in, bytes out. Sans-IO, for every worker."""
