"""A worker class that is not hybrid's own: a thread per connection, for WSGI applications."""

from hybrid_thread_worker.worker import ThreadWorker

__all__ = ["ThreadWorker"]
