# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid_workers.asgi_service cimport Service
from hybrid_workers.asgi_turn cimport InTurn

cdef class Wire(InTurn):
    cdef public Service service
    cdef public bint _is_reading, is_writable
    cdef public Py_ssize_t _pieces_size, file_left
    cdef public double _pieces_at, since
    cdef public object _drainers, _reader, _response, loop, phase

    cpdef write(self, bytes data)
    @cython.locals(now=double)
    cpdef write_piece(self, tuple buffers)
    @cython.locals(size=Py_ssize_t, total=Py_ssize_t)
    cpdef bint _holds(self, tuple buffers, double now) except *
    cpdef writelines(self, tuple buffers)
