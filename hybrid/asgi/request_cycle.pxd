# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.

from hybrid.http.request cimport Request
from hybrid.http1.response cimport Response

cdef class RequestCycle:
    cdef public Py_ssize_t buffered, cell
    cdef public Request request
    cdef public Response response
    cdef public bint body_is_complete, has_left, is_cancelled, is_disconnected, is_endless, is_held
    cdef public double overdue_at, started
    cdef public object task
