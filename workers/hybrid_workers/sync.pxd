# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request
from hybrid_workers.call cimport Call, begin
from hybrid_workers.connection cimport Connection
from hybrid_workers.outbox cimport Haste
from hybrid_workers.reactor cimport Reactor
from hybrid_workers.wsgi_service cimport WsgiService

@cython.final
cdef class SyncWorker:
    cdef dict __dict__
    cdef public Haste _haste
    cdef public Reactor _reactor
    cdef public WsgiService _service
    cdef public double _beat_again_at
    cdef public list _held
    cdef public object _call, _context, _relief, _row

    @cython.locals(call=Call, haste=Haste, now=double)
    cpdef start(self, Connection connection, Request request)
    cpdef flush(self)
    @cython.locals(call=Call, reactor=Reactor)
    cdef _settle_held(self, double now)
