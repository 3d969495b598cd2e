"""POST each body to a URL with Python's requests, in one session: PROXY_PORT CA URL BODY... Prints the statuses."""

import os
import sys

import requests

proxy_port, ca, url = sys.argv[1:4]
os.environ["HTTPS_PROXY"] = os.environ["HTTP_PROXY"] = f"http://127.0.0.1:{proxy_port}"
os.environ["REQUESTS_CA_BUNDLE"] = ca

with requests.Session() as session:
    for body in sys.argv[4:]:
        answer = session.post(url, data=body.encode(), headers={"content-type": "application/json"}, timeout=60)
        print(answer.status_code)
