# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.
cimport cython

from hybrid_workers.asgi_outbox cimport Outbox, Sender

cdef int _LOOK, _GO_AHEAD, _SET_OUT

cdef class InTurn(Sender):
    cpdef look(self)
    cpdef go_ahead(self)
    cpdef set_out(self)

cdef class Turn:
    cdef public bint is_calling
    cdef public dict _attributes
    cdef public list _calls, _contexts, _ready, _steps, _waiting
    cdef public object _call_soon, _context, _loop, _own, _take
    cdef public Outbox _outbox

    @cython.locals(waiting=list)
    cpdef add(self, InTurn connection)
    @cython.locals(waiting=list, ready=list, calls=list)
    cpdef run(self)
    @cython.locals(connection=InTurn)
    cdef _step(self, list connections, int step)
    cpdef queue(self, InTurn connection)
    cpdef begin(self, object call, object coroutine)
    @cython.locals(attributes=dict, calls=list)
    cdef list _make_tasks(self)
    cdef _take_steps(self)
