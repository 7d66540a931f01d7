# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.


cdef class Peer:
    cdef public object client, scheme, server, tls
    cdef public bint is_trusted
