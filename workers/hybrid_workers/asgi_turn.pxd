# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid_workers.asgi_connection cimport HttpConnection
from hybrid_workers.asgi_outbox cimport Outbox

cdef class Turn:
    cdef public bint is_calling
    cdef public dict _attributes
    cdef public list _contexts, _steps, _waiting
    cdef public object _call_soon, _context, _loop, _own, _take
    cdef public Outbox _outbox

    @cython.locals(waiting=list)
    cpdef add(self, HttpConnection connection)
    @cython.locals(waiting=list, connection=HttpConnection)
    cpdef run(self)
    @cython.locals(attributes=dict)
    cpdef begin(self, object coroutine, object context)
    cdef _take_steps(self)
