# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython


cdef class AccessLog:
    cdef public Py_ssize_t _second, _size
    cdef public list _lines
    cdef public bint needs_environ, needs_response_headers
    cdef public object _lock, _render, _sink, _stamp

    @cython.locals(line=str, second=Py_ssize_t)
    cpdef log(
        self, object request, object status, object response_bytes, object duration_s, object client,
        object response_headers=*, object environ=*
    )
