# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid_workers.asgi_service cimport Service

cdef class Wire:
    cdef public Py_ssize_t file_left
    cdef public Service service
    cdef public bint _is_reading, is_writable
    cdef public bytes unsent
    cdef public double since
    cdef public object _drainers, _reader, _response, loop, phase, transport

    cpdef write(self, bytes data)
    cpdef writelines(self, tuple buffers)
    @cython.locals(data=bytes)
    cpdef flush(self)
