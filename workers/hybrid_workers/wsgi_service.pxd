# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.

from hybrid.contract.scoreboard cimport ScoreRow
from hybrid.http.proxies cimport ProxyRules
from hybrid.http1.head cimport HeadParser
from hybrid.http1.response cimport Prefixes
from hybrid.wsgi.environ cimport Environs

cdef class WsgiService:
    cdef dict __dict__
    cdef public Environs environs
    cdef public HeadParser parser
    cdef public Prefixes prefixes
    cdef public ProxyRules rules
    cdef public Py_ssize_t errors, requests
    cdef public ScoreRow row
    cdef public bint beats_with_pieces, is_asked_before, is_observed, keeps_alive, keeps_environ, sends_files
    cdef public object _retires_at, access, admissions, app, body_buffer, context
    cdef public object cut_streams_at, deadlines, ledger, limits, log, request_hooks
    cdef public object shedder, spooling
