# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython


cdef class Sender:
    cdef public bytes unsent
    cdef public list pieces
    cdef public object transport

    @cython.locals(data=bytes)
    cpdef flush(self)

cdef class Outbox:
    cdef public double _opened
    cdef public list _waiting
    cdef public bint is_emptied
    cdef public object _call_soon, _context

    @cython.locals(waiting=list)
    cpdef add(self, Sender connection, double now)
    @cython.locals(waiting=list, connection=Sender)
    cpdef flush(self)
