# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid_workers.asgi_service cimport Service

cdef class Wire:
    cdef dict __dict__
    cdef public Service service
    cdef public bint _is_reading, is_writable
    cdef public bytes unsent
    cdef public double since
    cdef public list pieces
    cdef public object loop, phase, transport

    cpdef write(self, bytes data)
    @cython.locals(now=double)
    cpdef write_piece(self, tuple buffers)
    @cython.locals(size=Py_ssize_t, total=Py_ssize_t)
    cpdef bint _holds(self, tuple buffers, double now) except *
    cpdef writelines(self, tuple buffers)
    @cython.locals(data=bytes)
    cpdef flush(self)
