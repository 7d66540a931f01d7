# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request
from hybrid.http.proxies cimport ProxyRules, introduce
from hybrid_workers.call cimport Call
from hybrid_workers.connection cimport Connection
from hybrid_workers.wsgi_service cimport WsgiService

@cython.final
cdef class Reactor:
    cdef dict __dict__
    cdef public ProxyRules _rules
    cdef public Py_ssize_t active
    cdef public WsgiService _service
    cdef public bint _has_siblings, _is_choosy, _is_marked, is_stopping
    cdef public dict connections
    cdef public double _now, _patience
    cdef public object _admissions, _admitted, _channel, _close_at, _connection_class, _cut_streams_at
    cdef public object _deadlines, _enforcer, _entrance, _is_over, _poller, _release
    cdef public object _runner, _shedder, _stop_at, _takes_away, _wanted_stop, _words
    cdef public object acceptor, crossroads, frames, has_room, interrupt, limit
    cdef public object pipelined, returned, wakeup

    @cython.locals(connection=Connection)
    cpdef run(self)
    @cython.locals(data=bytes)
    cdef _on_event(self, Connection connection)
    @cython.locals(request=Request)
    cdef _read_head(self, Connection connection, bytes data)
    cpdef _begin_body(self, Connection connection, Request request)
    cpdef _read_body(self, Connection connection)
    cpdef bint _collect_body(self, Connection connection, bytes data) except *
    cdef _dispatch(self, Connection connection, Request request)
    @cython.locals(connection=Connection)
    cpdef settle(self, Call call, double now)
    @cython.locals(service=WsgiService)
    cdef _account(self, Call call)
    cdef _await_next(self, Connection connection, double now)
    cpdef watch(self, Connection connection, int events)
