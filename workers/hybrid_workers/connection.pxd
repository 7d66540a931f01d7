# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.

from hybrid.http.peer cimport Peer
from hybrid.http.request cimport Request
from hybrid.http1.receiver cimport Receiver
from hybrid.http1.response cimport Prefixes

cdef class Connection:
    cdef dict __dict__
    cdef public Prefixes prefixes
    cdef public Py_ssize_t out_size
    cdef public Receiver receiver
    cdef public dict template
    cdef public double deadline
    cdef public int watched
    cdef public list _out, content
    cdef public object _deadlines, _pace, before_wait, call, fd, host
    cdef public Peer peer
    cdef public object phase, recv, send, socket

    cpdef bint write(self, object piece) except *
    cpdef flush(self)
