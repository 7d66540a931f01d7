# Types of what is in the module, for a compiled build: docs/decisions/016-compiled-build.md.

from hybrid.http.peer cimport Peer
from hybrid.http.request cimport Request

cdef class ProxyRules:
    cdef public bint has_own_fields
    cdef public object _believed, _forwarder_headers, _header_map, _is_used, _note, _said
    cdef public object _say, _schemes, root_path, trusted

cpdef introduce(Request request, Peer peer, ProxyRules rules)
