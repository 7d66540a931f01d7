# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.contract.scoreboard cimport ScoreRow
from hybrid.http.proxies cimport ProxyRules
from hybrid.http1.head cimport HeadParser
from hybrid.http1.response cimport Prefixes
from hybrid_workers.asgi_outbox cimport Outbox
from hybrid_workers.asgi_turn cimport Turn

cdef class Service:
    cdef public HeadParser parser
    cdef public Outbox outbox
    cdef public Prefixes prefixes
    cdef public ProxyRules rules
    cdef public Py_ssize_t answered, errors
    cdef public ScoreRow row
    cdef public Turn turn
    cdef public bint is_closing_each, joins_buffers, speaks_websocket
    cdef public object accepted, access, admissions, app, balance, channel
    cdef public object context, crossroads, deadline, deadlines, ledger, limits
    cdef public object log, loop, new_cycle, on_connection_closed, patience, retires_at
    cdef public object scopes, settings, shedder, turnstile
    cdef public set connections, running, stuck

    @cython.locals(turn=Turn)
    cpdef call(self, object cycle, object coroutine)
