# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.asgi.request_cycle cimport RequestCycle
from hybrid.http.peer cimport Peer
from hybrid.http.request cimport Request
from hybrid.http.proxies cimport introduce
from hybrid.http1.receiver cimport Receiver
from hybrid.http1.response cimport Response
from hybrid.http1.response cimport Prefixes
from hybrid_workers.asgi_service cimport Service
from hybrid_workers.asgi_turn cimport Turn
from hybrid_workers.asgi_wire cimport Wire

cdef class HttpConnection(Wire):
    cdef public Prefixes prefixes
    cdef public Receiver receiver
    cdef public bint _has_next, wants_continue
    cdef public Py_ssize_t _drained, body_received
    cdef public dict _template
    cdef public double body_last, body_waited, eof_at
    cdef public RequestCycle cycle
    cdef public Peer peer
    cdef public Turn _turn
    cdef public Request _asked
    cdef public bytes _arrived
    cdef public object _label, _leaving, _refused, body_pace, handed, label, recorder, route

    cpdef data_received(self, bytes data)
    @cython.locals(request=Request)
    cdef _received(self, bytes data)
    @cython.locals(data=bytes)
    cpdef look(self)
    @cython.locals(request=Request)
    cpdef go_ahead(self)
    @cython.locals(data=bytes)
    cdef _settle(self, bytes more=*)
    @cython.locals(receiver=Receiver)
    cdef Request _next_request(self, bytes data)
    @cython.locals(service=Service)
    cpdef _begin(self, Request request)
    @cython.locals(service=Service, receiver=Receiver, turn=Turn, cycle=RequestCycle, now=double, has_body=bint)
    cdef _serve(self, Request request)
    @cython.locals(service=Service, cycle=RequestCycle)
    cpdef set_out(self)
    @cython.locals(receiver=Receiver, content=bytes, now=double)
    cdef _read_on(self, bytes data)
    @cython.locals(service=Service, response=Response, receiver=Receiver, now=double)
    cpdef complete(self, RequestCycle cycle, bytes data)
    @cython.locals(service=Service)
    cpdef on_ended(self, RequestCycle cycle)
    cdef _log(self, RequestCycle cycle, int status, double now)
