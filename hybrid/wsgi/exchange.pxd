# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.

from hybrid.http1.response cimport Response

cdef class Exchange(Response):
    cdef dict __dict__
    cdef public bint is_plain
    cdef public object closer, source

    cpdef open(self, object app, dict environ)
    cpdef _piece(self, bytes data, bint more)
    cpdef _before_head(self)
