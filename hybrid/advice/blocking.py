"""Libraries that wait without giving way: in a coroutine they stop every request of the worker."""

from __future__ import annotations

BLOCKING = {
    "requests": "httpx.AsyncClient or aiohttp",
    "urllib3": "httpx.AsyncClient or aiohttp",
    "psycopg2": "psycopg 3 (AsyncConnection) or asyncpg",
    "MySQLdb": "asyncmy or aiomysql",
    "pymysql": "asyncmy or aiomysql",
    "mysql": "mysql.connector.aio",
    "pyodbc": "aioodbc",
    "cx_Oracle": "oracledb (connect_async)",
    "boto3": "aioboto3 or aiobotocore",
    "botocore": "aiobotocore",
    "pymongo": "pymongo.AsyncMongoClient or motor",
    "memcache": "aiomcache",
    "pymemcache": "aiomcache",
    "pylibmc": "aiomcache",
    "pika": "aio-pika",
    "paramiko": "asyncssh",
    "ldap": "bonsai",
    "ldap3": "bonsai",
    "zeep": "zeep.AsyncClient",
    "twilio": "twilio's AsyncTwilioHttpClient",
    "httplib2": "httpx.AsyncClient",
    "pysolr": "httpx.AsyncClient",
}
"""Top-level module -> what does the same with await."""

BROUGHT_ALONG = {"urllib3": ("requests", "botocore"), "botocore": ("boto3",)}
"""Modules that nobody names who has named one of these: their advice would say the same twice."""

REMOTE = (
    "requests",
    "urllib3",
    "httpx",
    "boto3",
    "zeep",
    "httplib2",
    "twilio",
    "grpc",
    "stripe",
    "openai",
    "anthropic",
)
"""Modules whose use means waiting for another service."""


def blocking_among(modules: frozenset[str]) -> list[str]:
    """Those of these modules that block, without those that another has brought along."""
    return [
        name
        for name in BLOCKING
        if name in modules and not any(owner in modules for owner in BROUGHT_ALONG.get(name, ()))
    ]
