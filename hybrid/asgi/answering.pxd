# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.asgi.request_cycle cimport RequestCycle
from hybrid.http.request cimport Request
from hybrid.http1.response cimport Response

cdef class Answering(RequestCycle):
    cdef public bint _is_delivered
    cdef public int _burst
    cdef public object _app, _chunks, _connection, _extras, _headers, _waiters

    @cython.locals(response=Response, fields=dict)
    cpdef take(self, object message)
    cpdef ended(self, object error)
    cpdef received(self)
    cpdef _next_piece(self)
    cpdef _wake(self)
