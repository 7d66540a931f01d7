"""What a gunicorn.conf.py of a Django project in production looks like; nothing in it was written for this server."""

import multiprocessing
import os

bind = "127.0.0.1:8000"
workers = min(2, multiprocessing.cpu_count() * 2 + 1)
worker_class = "gthread"
threads = 4
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 15
max_requests_jitter = 3
backlog = 512
proc_name = "mysite"
forwarded_allow_ips = "127.0.0.1"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}

accesslog = os.environ["ACCESS_LOG"]
errorlog = "-"
loglevel = "info"
capture_output = True
access_log_format = '%({x-forwarded-for}i)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(L)s'
statsd_host = os.environ["STATSD"]
statsd_prefix = "mysite"


def on_starting(server):
    server.log.info("hook on_starting %s", server.cfg.proc_name)


def when_ready(server):
    server.log.info("hook when_ready workers=%s", server.num_workers)


def pre_fork(server, worker):
    pass


def post_fork(server, worker):
    server.log.info("hook post_fork pid=%s", worker.pid)


def post_worker_init(worker):
    worker.log.info("hook post_worker_init %s", callable(worker.wsgi))


def child_exit(server, worker):
    server.log.info("hook child_exit pid=%s", worker.pid)


def worker_exit(server, worker):
    from django.db import connections

    connections.close_all()
    server.log.info("hook worker_exit pid=%s", worker.pid)


def on_exit(server):
    server.log.info("hook on_exit")
