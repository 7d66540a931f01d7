# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.


cdef class Haste:
    cdef public double _opened, began, holds_until
    cdef public int _slow

    cpdef bint begins(self, double now)
    cpdef sent(self, double now)
    cpdef ends(self, double now)
