# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.


cdef class Request:
    cdef public Py_ssize_t content_length
    cdef public bint expects_continue, forwarded, keep_alive, wants_trailers
    cdef public int version
    cdef public list headers
    cdef public object arrived, client, head, host, method, path
    cdef public object query, request_id, root_path, scheme, server, target
    cdef public object underscored, upgrade
