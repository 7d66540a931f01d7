# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request
from hybrid.http1.head cimport HeadParser

cdef class Receiver:
    cdef public HeadParser _parser
    cdef public Py_ssize_t _ahead, _searched
    cdef public bytes buffer
    cdef public object _limits, body

    @cython.locals(request=Request, end=Py_ssize_t, length=Py_ssize_t, buffer=bytes)
    cpdef next_request(self, bytes data=*)
    @cython.locals(buffer=bytes)
    cpdef read_whole(self)
    cpdef bytes read_body(self, bytes data)
