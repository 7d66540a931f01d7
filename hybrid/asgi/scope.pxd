# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request

cdef dict _ASGI

cdef class Scopes:
    cdef public bint _is_stripped
    cdef public dict state

    @cython.locals(scope=dict, extensions=dict, offers=dict, path=bytes)
    cpdef dict http(self, dict template, Request request)

cpdef str decoded(bytes path)
