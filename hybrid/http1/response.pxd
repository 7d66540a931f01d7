# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid.http.request cimport Request

cdef dict _COUNTED

cdef class Prefixes:
    cdef public dict rendered
    cdef public object _common, _date, _extra, _server, _with_date

cdef class Response:
    cdef public Prefixes _prefixes
    cdef public Py_ssize_t _remaining, bytes_sent
    cdef public Request request
    cdef public bint _chunked, has_body, head_sent, is_complete, keep_alive
    cdef public int status
    cdef public object _status, headers

    @cython.locals(codes=dict)
    cpdef start(self, object status, object headers)
    cpdef bytes content(self, bytes data, bint more)
    @cython.locals(size=Py_ssize_t, lines=list)
    cdef bytes whole(self, bytes data)
    cpdef tuple frame(self, bytes data, bint more)
    @cython.locals(size=Py_ssize_t)
    cdef tuple _frame(self, bytes before, bytes data, bint more)
    @cython.locals(known=dict, length=Py_ssize_t, lines=list, request=Request)
    cdef list _lines(self, Py_ssize_t size, bint more)
