# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request

cdef class Environs:
    cdef public bint _is_plain
    cdef public dict _base
    cdef public object _is_stripped, _prefix, _root, _under

    @cython.locals(environ=dict, path=bytes, keys=dict, text=str, name=bytes, value=bytes)
    cpdef dict of(self, Request request, dict template)
