# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.

from hybrid.http.request cimport Request
from hybrid.http1.receiver cimport Receiver
from hybrid.http1.response cimport Prefixes

cdef class Connection:
    cdef public Prefixes prefixes
    cdef public Py_ssize_t _received, content_size, flushed, out_size
    cdef public Receiver receiver
    cdef public Request request
    cdef public dict template
    cdef public double _began, _waited, _waits_since, deadline
    cdef public int watched
    cdef public list _out, content
    cdef public object _deadlines, _pace, before_wait, call, fd, file
    cdef public object handed, hold, host, overflow, peer, phase
    cdef public object recv, route, send, socket, spool

    cpdef bint write(self, object piece) except *
    cpdef flush(self)
