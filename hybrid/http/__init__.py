"""HTTP semantics (RFC 9110): what a request and a response mean, whatever carries them. Sans-IO."""
