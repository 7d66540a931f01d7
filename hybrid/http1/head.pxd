# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request

cdef set _HOSTS

cdef class HeadParser:
    cdef public Py_ssize_t _longest_field, _longest_head, _longest_line, _most_fields
    cdef public bint _forwarded, _has_two_hosts, _is_persistent, _is_special, _wants_trailers
    cdef public list _headers
    cdef public bytes _last_host
    cdef public object _connection, _expect, _feed, _fields, _host
    cdef public object _length, _limits, _request_id, _transfer, _underscored, _upgrade

    @cython.locals(request=Request, eol=Py_ssize_t, headers=list, line=bytes, lines=dict, rest=bytes)
    cpdef Request parse(self, bytes head)
    @cython.locals(meaning=int)
    cpdef on_header(self, bytes name, bytes value)
    cdef _special(self, int meaning, bytes lower, bytes value)
    cdef _semantics(self, Request request)
