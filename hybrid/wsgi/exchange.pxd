# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http1.response cimport Response

cdef class Exchange(Response):
    cdef dict __dict__
    cdef public bint is_plain
    cdef public object closer, source

    @cython.locals(codes=dict)
    cpdef start_response(self, object status, object headers, object exc_info=*)
    cpdef open(self, object app, dict environ)
    cdef _piece(self, bytes data, bint more)
    cdef _before_head(self)
