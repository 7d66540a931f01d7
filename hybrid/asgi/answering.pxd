# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request
from hybrid.http1.response cimport Response

cdef class Answering:
    cdef public Py_ssize_t buffered, cell
    cdef public Request request
    cdef public Response response
    cdef public bint _is_delivered, body_is_complete, has_left, is_cancelled, is_disconnected, is_endless
    cdef public bint is_held
    cdef public double overdue_at, started
    cdef public int _burst
    cdef public object _app, _chunks, _connection, _extras, _headers, _waiters
    cdef public object task

    @cython.locals(response=Response)
    cpdef take(self, object message)
    cpdef received(self)
    cpdef _next_piece(self)
    cpdef _wake(self)
