"""The fields that a browser sends: what reading heads of real size adds."""

from benchmarks.load import Load
from benchmarks.questioning import HELLO, LoadQuestion

QUESTION = LoadQuestion(
    name="browser_headers",
    title="Hello, World! to ten header fields of a browser, on 64 keep-alive connections",
    apps=HELLO,
    answer=b"Hello, World!",
    load=Load(
        headers={
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Language": "en-US,en;q=0.5",
            "Accept-Encoding": "gzip, deflate, br",
            "Cookie": "sessionid=0123456789abcdef; csrftoken=fedcba9876543210",
            "Referer": "http://127.0.0.1/page",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": "same-origin",
        }
    ),
)
