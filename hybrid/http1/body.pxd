# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython


cdef class CountedBody:
    cdef public Py_ssize_t remaining
    cdef public bint is_complete

    @cython.locals(remaining=Py_ssize_t, size=Py_ssize_t)
    cpdef tuple feed(self, bytes data)
