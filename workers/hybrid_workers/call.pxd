# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request
from hybrid.wsgi.exchange cimport Exchange
from hybrid_workers.connection cimport Connection
from hybrid_workers.wsgi_service cimport WsgiService

@cython.final
cdef class Call(Exchange):
    cdef public Connection connection
    cdef public Py_ssize_t _cell
    cdef public WsgiService _service
    cdef public bint may_hold
    cdef public dict environ
    cdef public double began, started
    cdef public object _context, held, keeper, outcome

    @cython.locals(connection=Connection, service=WsgiService, environ=dict)
    cpdef run(self)
    @cython.locals(connection=Connection)
    cpdef release(self)
    @cython.locals(connection=Connection)
    cdef _advance(self)

@cython.locals(call=Call, environ=dict, template=dict)
cpdef begin(WsgiService service, Connection connection, Request request, double now, double began, bint may_hold)
