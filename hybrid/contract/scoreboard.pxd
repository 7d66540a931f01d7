# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.


cdef dict _METHODS

cdef class ScoreRow:
    cdef public Py_ssize_t _base
    cdef public list _free
    cdef public object _map, _starts, floats, words

    cpdef begin(self, object now, object method, object target, object client, object request_id=*)
    cpdef end(self, Py_ssize_t cell)
