"""One run, one machine, every server side by side: CPU per request, requests per second, latency, memory.

    servers      the table of servers: ours by worker class, and the peers
    questions/   one file for each question that is asked of all of them
    peers        the environment that the servers are installed in
    interpreter  which Python they run on
    pinning      which core is whose
    process      start a server on its core, stop it
    procfs       what a process tree has used: CPU time, memory
    load         wrk: run it, read its report
    questioning  the kinds of question: load, start-up
    rounds       the interleaved rounds
    guard        instructions per request, against a baseline
    report       medians and ratios as JSON and Markdown

Standard library only: the harness must not need what it measures.
"""
